// Laws of the validator: no false alarm over any order of summation, and no systematic error that gets through.
#include "proof/validator.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/half.h"
#include "ops/matmul.h"
#include "summation_orders.h"
#include "validator_bench.h"

namespace assay {
namespace {

/// Rounding toward zero instead of to nearest.
void truncate(Dtype dtype, double value, std::byte* at) {
  encode_value(dtype, value, at);
  if (std::fabs(decode_value(dtype, at)) <= std::fabs(value)) return;
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  --bits;  // one step toward zero for either sign
  std::memcpy(at, &bits, 2);
}

std::vector<std::string> every_types() {
  return {types("f32", "f32", "f32"), types("f16", "f16", "f16"), types("bf16", "bf16", "bf16"),
          types("f16", "f16", "f32"), types("f16", "q8_0", "f16")};
}

TEST(Validator, NoOrderOfFloatSummationIsEverAccused) {
  std::mt19937_64 random(1);
  double worst = 0;
  int64_t launches = 0;
  for (const std::string& rest : every_types())
    for (const int64_t k : {1, 2, 31, 32, 33, 160, 896, 4864, 5000}) {
      if (rest.find("q8_0") != std::string::npos && k % 32 != 0) continue;
      for (const char* epilogue : {"", " | alpha=0.125 | beta=1.5 | bias=1"}) {
        const Bench bench(fmt::format("m=2 | n=13 | k={} | {}{}", k, rest, epilogue));
        for (const Bench::Sum& sum :
             {Bench::Sum(in_order), Bench::Sum(backwards_fused), Bench::Sum(in_lanes<8>), Bench::Sum(in_lanes<64>),
              Bench::Sum([](const auto&a, const auto&b) { return pairwise(a.data(), b.data(), a.size()); }),
              Bench::Sum(Shuffled{random})})
          for (int i = 0; i < 3; ++i, ++launches) {
            const LaunchInputs launch = bench.random_launch(random);
            const std::vector<std::byte> d = bench.run(launch, sum);
            Validator validator(bench.reference(), Accuracy::exact);
            ASSERT_EQ(validator.scan(d), "");
            ASSERT_EQ(validator.check(d, launch), "") << bench.spec().line();
            worst = std::max(worst, validator.stats().worst_ratio);
          }
      }
    }
  RecordProperty("launches", std::to_string(launches));
  RecordProperty("worst_ratio", std::to_string(worst));
  EXPECT_LT(worst, kToleranceC);
  EXPECT_GT(worst, 0) << "nothing was rounded at all";
}

TEST(Validator, CorrectlyRoundedResultsPassWithNothingLeftForTheAccumulator) {
  std::mt19937_64 random(2);
  for (const std::string& rest : every_types())
    for (const int64_t k : {32, 4864}) {
      const Bench bench(fmt::format("m=1 | n=50 | k={} | {}", k, rest));
      const LaunchInputs launch = bench.random_launch(random);
      std::vector<std::byte> a, d(size_t(bench.spec().bytes(Operand::d)));
      bench.inputs().varied_a(launch.a, a);
      for (int64_t n = 0; n < matmul_of(bench.spec()).n; ++n) {
        long double sum = 0;
        for (int64_t i = 0; i < k; ++i)
          sum += static_cast<long double>(decode_value(matmul_of(bench.spec()).a,
                                                       &a[size_t(i * dtype_bytes(matmul_of(bench.spec()).a, 1))])) *
                 static_cast<long double>(b_element(bench.inputs().b(0)[0], 0, n, i));
        encode_value(matmul_of(bench.spec()).d, double(sum), bench.at(d, n));
      }
      Validator validator(bench.reference(), Accuracy::exact);
      EXPECT_EQ(validator.check(d, launch), "") << rest;
      EXPECT_LT(validator.stats().worst_ratio, 1e-6) << rest;
      EXPECT_LT(validator.stats().nmse, 1e-4);
    }
}

TEST(Validator, ADroppedLastElementOfKIsFoundInEveryOutputTypeUpTo5000) {
  std::mt19937_64 random(3);
  for (const std::string& rest : every_types())
    for (const int64_t k : {32, 896, 4864, 4992}) {
      const Bench bench(fmt::format("m=1 | n=256 | k={} | {}", k, rest));
      const LaunchInputs launch = bench.random_launch(random);
      const auto without_last = [](std::vector<float> a, const std::vector<float>& b) {
        a.back() = 0;
        return in_lanes<8>(a, b);
      };
      EXPECT_NE(Validator(bench.reference(), Accuracy::exact).check(bench.run(launch, without_last), launch), "")
          << bench.spec().line();
    }
}

TEST(Validator, AnAccumulatorOfSixteenBitsIsFound) {
  std::mt19937_64 random(4);
  const Bench bench("m=1 | n=64 | k=896 | " + types("f16", "f16", "f16"));
  const LaunchInputs launch = bench.random_launch(random);
  const auto in_half = [](const std::vector<float>& a, const std::vector<float>& b) {
    float sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum = half_to_float(float_to_half(sum + a[i] * b[i]));
    return sum;
  };
  EXPECT_NE(Validator(bench.reference(), Accuracy::exact).check(bench.run(launch, in_half), launch), "");
}

// One unit in the last place of the output is 2·u·|value|, of which one u is the output's own. The accumulator's share
// grows as k·√k·u32, the value only as √k: for f16 they meet near k = 5,000, and beyond that truncation passes as
// rounding.
TEST(Validator, TruncatingTheOutputIsFoundWhereItsUnitExceedsTheAccumulatorsShare) {
  std::mt19937_64 random(5);
  struct Case {
    const char* dtype;
    int64_t k;
  };
  for (const auto& [dtype, k] :
       {Case{"f16", 32}, Case{"f16", 896}, Case{"bf16", 32}, Case{"bf16", 896}, Case{"bf16", 4864}}) {
    const Bench bench(fmt::format("m=1 | n=256 | k={} | {}", k, types("f16", "f16", dtype)));
    const LaunchInputs launch = bench.random_launch(random);
    const Dtype d = matmul_of(bench.spec()).d;
    const auto cut = [d](double value, std::byte* at) { truncate(d, value, at); };
    EXPECT_NE(Validator(bench.reference(), Accuracy::exact).check(bench.run(launch, in_lanes<8>, cut), launch), "")
        << bench.spec().line();
    EXPECT_EQ(Validator(bench.reference(), Accuracy::exact).check(bench.run(launch, in_lanes<8>), launch), "")
        << bench.spec().line();
  }
}

TEST(Validator, AlphaBetaAndBiasAreEachMissedWhenLeftOut) {
  std::mt19937_64 random(6);
  const std::string with = "m=3 | n=20 | k=64 | " + types("f16", "f16", "f16");
  const Bench whole(with + " | alpha=0.5 | beta=-0.25 | bias=1");
  const LaunchInputs launch = whole.random_launch(random);
  EXPECT_EQ(Validator(whole.reference(), Accuracy::exact).check(whole.run(launch, in_order), launch), "");
  for (const char* lesser : {" | beta=-0.25 | bias=1", " | alpha=0.5 | bias=1", " | alpha=0.5 | beta=-0.25"}) {
    const Bench bench(with + lesser);  // the same random values: what a kernel that ignores one term would give
    EXPECT_NE(Validator(whole.reference(), Accuracy::exact).check(bench.run(launch, in_order), launch), "") << lesser;
  }
}

TEST(Validator, NaNAndPoisonAreFoundWhereverTheyAreAndToldApart) {
  const Bench bench("m=3 | n=7 | k=33 | " + types("bf16", "bf16", "bf16"));
  const LaunchInputs launch{0, 1, 5};
  const std::vector<std::byte> good = bench.run(launch, in_order);
  for (int64_t element = 0; element < 21; ++element) {
    std::vector<std::byte> d = good;
    std::memset(bench.at(d, element), kPoison, 2);
    Validator unwritten(bench.reference(), Accuracy::exact);
    const std::string where = fmt::format("D[{},{}]", element / 7, element % 7);
    EXPECT_EQ(unwritten.scan(d), fmt::format("1 of 21 elements never written, first {}", where));
    EXPECT_EQ(unwritten.stats().nan_count, 1);
    encode_value(matmul_of(bench.spec()).d, std::numeric_limits<double>::quiet_NaN(), bench.at(d, element));
    Validator nan(bench.reference(), Accuracy::exact);
    EXPECT_EQ(nan.scan(d), fmt::format("1 of 21 elements are NaN or infinite, first {}", where));
    EXPECT_NE(nan.check(d, launch), "");
    EXPECT_FALSE(passes(nan.stats(), 1e300));
  }
  std::vector<std::byte> untouched(good.size(), std::byte{kPoison});
  EXPECT_EQ(Validator(bench.reference(), Accuracy::exact).scan(untouched),
            "21 of 21 elements never written, first D[0,0]");
}

TEST(Validator, InfinityIsWrongInEveryOutputType) {
  for (const std::string& rest : every_types()) {
    const Bench bench("m=1 | n=5 | k=32 | " + rest);
    const LaunchInputs launch{0, 1, 0};
    std::vector<std::byte> d = bench.run(launch, in_order);
    encode_value(matmul_of(bench.spec()).d, std::numeric_limits<double>::infinity(), bench.at(d, 4));
    Validator validator(bench.reference(), Accuracy::exact);
    EXPECT_EQ(validator.scan(d), "1 of 5 elements are NaN or infinite, first D[0,4]");
    EXPECT_EQ(validator.check(d, launch).rfind("D[0,4] is inf", 0), 0u);
    EXPECT_FALSE(passes(validator.stats(), 1e6));
  }
}

TEST(Validator, TheMessageNamesTheWorstElementNotTheFirst) {
  const Bench bench("m=3 | n=9 | k=64 | " + types("f32", "f32", "f32"));
  const LaunchInputs launch{0, -2, 7};
  std::vector<std::byte> d = bench.run(launch, in_order);
  encode_value(Dtype::f32, bench.value(d, 2) + 0.5, bench.at(d, 2));
  const double right = bench.value(d, 22);
  encode_value(Dtype::f32, right + 40, bench.at(d, 22));
  encode_value(Dtype::f32, bench.value(d, 25) - 3, bench.at(d, 25));
  Validator validator(bench.reference(), Accuracy::exact);
  const std::string message = validator.check(d, launch);
  EXPECT_EQ(message.rfind("D[2,4] is ", 0), 0u) << message;
  EXPECT_NE(message.find("off by 40"), std::string::npos) << message;
  EXPECT_EQ(validator.stats().worst_index, 22);
  EXPECT_NEAR(validator.stats().worst_reference, right, 1e-3);
  EXPECT_NEAR(validator.stats().worst_value, right + 40, 1e-3);
  EXPECT_NEAR(validator.stats().max_abs, 40, 1e-3);
}

TEST(Validator, TheMessageNamesBatchAndSegment) {
  const auto message_for = [](const std::string& rest, int64_t element) {
    const Spec spec = parse_spec("op=matmul | " + rest);
    Arenas arenas;
    arenas.reserve(spec, 0);
    const SpecInputs inputs(spec, arenas, 0);
    const Reference reference(inputs);
    std::vector<std::byte> d(size_t(spec.bytes(Operand::d)));
    std::memset(&d[size_t(element * dtype_bytes(matmul_of(spec).d, 1))], kPoison,
                size_t(dtype_bytes(matmul_of(spec).d, 1)));
    return Validator(reference, Accuracy::exact).scan(d);
  };
  EXPECT_EQ(message_for("batch=3 | m=2 | n=5 | k=8 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32", 2 * 10 + 5 + 3),
            "1 of 30 elements never written, first batch 2 D[1,3]");
  EXPECT_EQ(message_for("batch=1 | m=2 | n=? | nq=4 | nk=3 | nv=3 | k=8 | tA=? | tB=? | dtA=f32 | dtB=f32 | dtD=f32",
                        8 + 3 + 1),
            "1 of 20 elements never written, first nk D[1,1]");
  EXPECT_EQ(message_for("batch=1 | m=1 | n=? | n0=4 | n1=6 | k=8 | tA=? | tB=? | dtA=f16 | dtB=f16 | dtD=f16", 9),
            "1 of 10 elements never written, first n1 D[0,5]");
}

TEST(Validator, StatisticsGatherOverLaunchesAndJudgeAgainUnderAnotherTolerance) {
  std::mt19937_64 random(8);
  const Bench bench("m=1 | n=64 | k=1024 | " + types("f32", "f32", "f32"));
  Validator validator(bench.reference(), Accuracy::exact);
  for (int i = 0; i < 4; ++i) {
    const LaunchInputs launch = bench.random_launch(random);
    const std::vector<std::byte> d = bench.run(launch, in_order);
    EXPECT_EQ(validator.scan(d), "");
    EXPECT_EQ(validator.check(d, launch), "");
  }
  ErrorStats stats = validator.stats();
  EXPECT_EQ(stats.launches_scanned, 4);
  EXPECT_EQ(stats.launches_checked, 4);
  EXPECT_EQ(stats.elements_checked, 4 * 64);
  EXPECT_EQ(stats.bound_c, kToleranceC);
  EXPECT_GT(stats.worst_ratio, 0);
  EXPECT_GT(stats.max_abs, 0);
  EXPECT_LE(stats.max_rel, stats.max_abs);
  EXPECT_GT(stats.nmse, 0);
  EXPECT_LT(stats.nmse, 1e-10);
  EXPECT_TRUE(passes(stats, kToleranceC));
  EXPECT_TRUE(passes(stats, stats.worst_ratio));
  EXPECT_FALSE(passes(stats, stats.worst_ratio * 0.99));
  stats.nan_count = 1;
  EXPECT_FALSE(passes(stats, 1e300));

  const LaunchInputs launch = bench.random_launch(random);
  std::vector<std::byte> d = bench.run(launch, in_order);
  encode_value(Dtype::f32, bench.value(d, 9) + 1, bench.at(d, 9));
  EXPECT_NE(validator.check(d, launch), "");
  EXPECT_EQ(validator.stats().worst_index, 9);
  EXPECT_FALSE(passes(validator.stats(), kToleranceC));
  EXPECT_TRUE(passes(validator.stats(), validator.stats().worst_ratio));
  // A right launch afterwards makes nothing good again.
  EXPECT_EQ(validator.check(bench.run(launch, in_order), launch), "");
  EXPECT_FALSE(passes(validator.stats(), kToleranceC));
}

TEST(Validator, ARangeJudgesItsElementsAloneAcrossRows) {
  std::mt19937_64 random(12);
  for (const char* shape : {"m=6 | n=7", "m=1 | n=42", "m=42 | n=1"}) {
    const Bench bench(fmt::format("{} | k=16 | {}", shape, types("f32", "f32", "f32")));
    const LaunchInputs launch = bench.random_launch(random);
    for (const int64_t broken : {0, 6, 7, 19, 20, 41}) {
      std::vector<std::byte> d = bench.run(launch, in_order);
      encode_value(Dtype::f32, bench.value(d, broken) + 1, bench.at(d, broken));
      Validator inside(bench.reference(), Accuracy::exact), outside(bench.reference(), Accuracy::exact);
      EXPECT_NE(inside.check(d, launch, {broken, broken + 1}), "") << shape << broken;
      EXPECT_EQ(inside.stats().elements_checked, 1);
      EXPECT_EQ(inside.stats().worst_index, broken);
      EXPECT_EQ(outside.check(d, launch, {broken + 1, 42}), "") << shape << broken;
      EXPECT_EQ(outside.check(d, launch, {0, broken}), "") << shape << broken;
      EXPECT_EQ(outside.stats().elements_checked, 41);
    }
  }
}

}  // namespace
}  // namespace assay
