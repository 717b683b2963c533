// Laws of the bounds of accuracy classes: what a class rounds passes in it, and in no more accurate one.
#include <gtest/gtest.h>

#include <algorithm>

#include "summation_orders.h"
#include "validator_bench.h"

namespace assay {
namespace {

/// A kernel that rounds activations to int8 with one scale for every 32 values.
float int8_blocks(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (size_t first = 0; first < a.size(); first += 32) {
    const size_t end = std::min(a.size(), first + 32);
    float largest = 0;
    for (size_t i = first; i < end; ++i) largest = std::max(largest, std::fabs(a[i]));
    const float step = largest / 127;
    for (size_t i = first; i < end; ++i) sum += std::nearbyint(a[i] / step) * step * b[i];
  }
  return sum;
}

TEST(ActivationClass, Int8ActivationsPassOnlyWhereTheVariantDeclaresThem) {
  std::mt19937_64 random(9);
  for (const char* d : {"f32", "f16"})
    for (const int64_t k : {32, 896, 4864}) {
      const Bench bench(fmt::format("m=1 | n=200 | k={} | {}", k, types("f16", "q8_0", d)), Accuracy::int8_activation);
      for (int i = 0; i < 5; ++i) {
        const LaunchInputs launch = bench.random_launch(random);
        const std::vector<std::byte> quantized = bench.run(launch, int8_blocks);
        EXPECT_EQ(Validator(bench.reference(), Accuracy::int8_activation).check(quantized, launch), "")
            << bench.spec().line();
        EXPECT_NE(Validator(bench.reference(), Accuracy::exact).check(quantized, launch), "") << bench.spec().line();
        // Its wider bound is of this error alone: a lost block of k still shows.
        const auto without_block = [](std::vector<float> a, const std::vector<float>& b) {
          std::fill(a.end() - 32, a.end(), 0.0f);
          return in_lanes<8>(a, b);
        };
        EXPECT_NE(
            Validator(bench.reference(), Accuracy::int8_activation).check(bench.run(launch, without_block), launch), "")
            << bench.spec().line();
      }
    }
}

/// A kernel that rounds activations to a 16-bit type first.
template <typename Round>
Bench::Sum rounding_first(Round round) {
  return [round](std::vector<float> a, const std::vector<float>& b) {
    for (float& value : a) value = round(value);
    return in_lanes<8>(a, b);
  };
}
const Bench::Sum kHalfActivations = rounding_first([](float f) { return half_to_float(float_to_half(f)); });
const Bench::Sum kBfloatActivations = rounding_first([](float f) { return bf16_to_float(float_to_bf16(f)); });

TEST(ActivationClass, ActivationsRoundedTo16BitsPassInTheirClassAndInNoMoreAccurateOne) {
  std::mt19937_64 random(10);
  for (const int64_t k : {32, 896, 4864}) {
    const std::vector<Accuracy> classes = {Accuracy::f16_activation, Accuracy::bf16_activation};
    const Bench half(fmt::format("m=1 | n=200 | k={} | {}", k, types("f32", "f32", "f32")), classes[0]);
    const Bench bfloat(fmt::format("m=1 | n=200 | k={} | {}", k, types("f32", "f32", "f32")), classes[1]);
    for (int i = 0; i < 5; ++i) {
      const LaunchInputs launch = half.random_launch(random);
      const auto check = [&](const Bench& bench, Accuracy accuracy, const Bench::Sum& sum) {
        return Validator(bench.reference(), accuracy).check(bench.run(launch, sum), launch);
      };
      EXPECT_EQ(check(half, Accuracy::f16_activation, kHalfActivations), "") << k;
      EXPECT_EQ(check(bfloat, Accuracy::bf16_activation, kBfloatActivations), "") << k;
      EXPECT_EQ(check(bfloat, Accuracy::bf16_activation, kHalfActivations), "") << k;
      EXPECT_NE(check(half, Accuracy::f16_activation, kBfloatActivations), "") << k;
      if (k < 4864) EXPECT_NE(check(half, Accuracy::exact, kHalfActivations), "") << k;
      EXPECT_NE(check(bfloat, Accuracy::exact, kBfloatActivations), "") << k;
    }
  }
}

TEST(ActivationClass, AClassThatRoundsNothingMoreThanTheTypeAllowsNothingMore) {
  std::mt19937_64 random(11);
  const Bench bench("m=1 | n=200 | k=896 | " + types("f16", "f16", "f32"), Accuracy::f16_activation);
  const LaunchInputs launch = bench.random_launch(random);
  EXPECT_EQ(Validator(bench.reference(), Accuracy::f16_activation).check(bench.run(launch, in_lanes<8>), launch), "");
  EXPECT_NE(Validator(bench.reference(), Accuracy::f16_activation).check(bench.run(launch, kBfloatActivations), launch),
            "");
}

TEST(ActivationClass, WhatTheWorstElementUsedOfItsBoundIsAboveOneExactlyWhereItIsTooMuch) {
  std::mt19937_64 random(12);
  const Bench bench("m=1 | n=40 | k=96 | " + types("f32", "f32", "f32"));
  const LaunchInputs launch = bench.random_launch(random);
  std::vector<std::byte> d = bench.run(launch, in_lanes<8>);
  Validator honest(bench.reference(), Accuracy::exact);
  ASSERT_EQ(honest.check(d, launch), "");
  EXPECT_GT(honest.stats().bound_used, 0);
  EXPECT_LT(honest.stats().bound_used, 1);
  const double right = bench.value(d, 7);
  for (double step = 0x1p-24; step < 1; step *= 2) {
    encode_value(Dtype::f32, right + step, bench.at(d, 7));
    Validator validator(bench.reference(), Accuracy::exact);
    const bool passes = validator.check(d, launch).empty();
    EXPECT_EQ(validator.stats().bound_used <= 1, passes) << step << " " << validator.stats().bound_used;
  }
}

}  // namespace
}  // namespace assay
