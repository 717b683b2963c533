// Laws of the mean square: no order of adding is accused at any length, and rounding to 16 bits on the way is found at
// every length.
#include <gtest/gtest.h>

#include <functional>

#include "base/half.h"
#include "ops/matmul.h"
#include "proof/rounding_model.h"
#include "proof/validator.h"
#include "summation_orders.h"

namespace assay {
namespace {

using Values = std::vector<float>;
using Sum = std::function<float(const Values& a, const Values& b)>;

float to_half(float v) { return half_to_float(float_to_half(v)); }

/// An f32 spec with few elements, its reference, and D summed in any way from the very bytes of A and B.
class Products {
 public:
  Products(int64_t m, int64_t n, int64_t k, const char* type = "f32")
      : spec_(
            parse_spec(fmt::format("op=matmul | batch=1 | m={} | n={} | k={} | tA=0 | tB=1 | dtA={} | dtB={} | dtD=f32",
                                   m, n, k, type, type))),
        inputs_(spec_, reserved(), 0),
        reference_(inputs_) {}

  /// The worst message of `launches` launches of one kernel, "" if all pass.
  std::string judge(const Sum& sum, int launches = 1) {
    Validator validator(reference_, Accuracy::exact);
    for (int i = 0; i < launches; ++i) {
      const LaunchInputs launch{
          0, {std::ldexp(i % 2 ? -1.0 : 1.0, i % 7 - 3), reference_.signs_from(random_bits(uint64_t(i))), 0, false}};
      if (const std::string message = validator.check(run(launch, sum), launch); !message.empty()) return message;
    }
    return "";
  }
  /// Launches that are not accused, each by itself, of `launches`.
  int passed(const Sum& sum, int launches) {
    int count = 0;
    for (int i = 0; i < launches; ++i) {
      const LaunchInputs launch{0, {1, reference_.signs_from(random_bits(uint64_t(i))), 0, false}};
      count += Validator(reference_, Accuracy::exact).check(run(launch, sum), launch).empty();
    }
    return count;
  }

 private:
  Arenas& reserved() {
    arenas_.reserve(spec_, 0);
    return arenas_;
  }
  std::vector<std::byte> run(const LaunchInputs& launch, const Sum& sum) {
    std::vector<std::byte> bytes, d;
    inputs_.varied_a(launch.a, bytes);
    for (int64_t row = 0; row < matmul_of(spec_).m; ++row)
      for (int64_t column = 0; column < matmul_of(spec_).n; ++column) {
        const float value = sum(line(matmul_of(spec_).a, bytes.data(), size_t(row)),
                                line(matmul_of(spec_).b, inputs_.b(0)[0].data, size_t(column)));
        const auto* at = reinterpret_cast<const std::byte*>(&value);
        d.insert(d.end(), at, at + sizeof value);
      }
    return d;
  }

  Values line(Dtype dtype, const std::byte* data, size_t index) const {
    Values values;
    for (int64_t i = 0; i < matmul_of(spec_).k; ++i)
      values.push_back(float(decode_value(dtype, data + dtype_bytes(dtype, int64_t(index) * matmul_of(spec_).k + i))));
    return values;
  }

  Spec spec_;
  Arenas arenas_;
  SpecInputs inputs_;
  Reference reference_;
};

Values rounded(Values values) {
  for (float& v : values) v = to_half(v);
  return values;
}

struct Named {
  std::string name;
  Sum sum;
};

std::vector<Named> honest_orders() {
  std::vector<Named> orders{
      {"in order", in_order}, {"backwards, fused", backwards_fused}, {"pairwise", [](const Values& a, const Values& b) {
                                                                        return pairwise(a.data(), b.data(), a.size());
                                                                      }}};
  for (const size_t count : {8u, 64u, 512u, 4096u})
    for (const bool fused : {false, true})
      orders.push_back({fmt::format("{} sums, fused {}", count, fused), PartialSums{count, fused}});
  return orders;
}

std::vector<Named> rounding_kernels() {
  const Sum sum = PartialSums{64, true};
  return {{"weights", [=](const Values& a, const Values& b) { return sum(a, rounded(b)); }},
          {"activations", [=](const Values& a, const Values& b) { return sum(rounded(a), b); }},
          {"products",
           [=](const Values& a, const Values& b) {
             Values products = a;
             for (size_t i = 0; i < a.size(); ++i) products[i] = to_half(a[i] * b[i]);
             return sum(products, Values(a.size(), 1.0f));
           }},
          {"sums", [=](const Values& a, const Values& b) { return to_half(sum(a, b)); }}};
}

TEST(Rounding, NoOrderOfAddingIsAccusedAtAnyLength) {
  for (const int64_t k : {1, 33, 896, 4864, 16384, 65536}) {
    Products products(1, k > 10'000 ? 24 : 64, k);
    for (const auto& [name, sum] : honest_orders())
      EXPECT_EQ(products.judge(sum, k > 10'000 ? 1 : 3), "") << name << " at k=" << k;
  }
}

TEST(Rounding, SumsThatTensorCoresCutOffAreNotAccusedWhereTheyMayBeUsed) {
  for (const int64_t k : {16, 896, 4864, 16384, 65536})
    EXPECT_EQ(Products(1, 24, k, "f16").judge(cut_off_by_16), "") << k;
}

TEST(Rounding, SixteenBitsOnTheWayToAnF32ResultAreFoundAtEveryLength) {
  for (const int64_t k : {64, 896, 4864, 11'008, 28'672, 65'536}) {
    Products products(1, k > 10'000 ? 64 : 256, k);
    for (const auto& [name, sum] : rounding_kernels()) EXPECT_NE(products.judge(sum), "") << name << " at k=" << k;
  }
}

TEST(Rounding, OneLostProductIsFoundAtEveryLength) {
  for (const int64_t k : {64, 4864, 65'536}) {
    const auto without_last = [](Values a, const Values& b) {
      a.back() = 0;
      return PartialSums{64, true}(a, b);
    };
    EXPECT_NE(Products(1, 16, k).judge(without_last), "") << k;
  }
}

// One element says little: its error is small by chance in some launches, and never large enough in an honest kernel's.
TEST(Rounding, OfOneElementHonestSumsAlwaysPassAndSixteenBitsSoonFail) {
  for (const int64_t k : {64, 11'008}) {
    Products products(1, 1, k);
    for (const auto& [name, sum] : honest_orders()) EXPECT_EQ(products.judge(sum, 40), "") << name << " at k=" << k;
    for (const auto& [name, sum] : rounding_kernels()) EXPECT_LT(products.passed(sum, 24), 24) << name << " at k=" << k;
  }
}

TEST(Rounding, TheLimitOfAMeanSquareFallsToOneAsElementsGrowMany) {
  EXPECT_NEAR(mean_square_limit(1), 55, 5);
  EXPECT_LT(mean_square_limit(64), 2.7);
  EXPECT_LT(mean_square_limit(1'000'000), 1.01);
  for (int64_t count = 1; count < 4096; count *= 2) EXPECT_GT(mean_square_limit(count), mean_square_limit(2 * count));
}

// Σ over partial sums of their variance, each rounded by a relative error of variance 0.18 u²: what docs/measuring.md
// derives.
TEST(Rounding, AnHonestRunningSumHasAboutTheModelsShareForIt) {
  for (const int64_t k : {896, 16384}) {
    std::mt19937_64 random(11);
    std::uniform_real_distribution<float> value(-2, 2);
    double mean = 0;
    constexpr int kSums = 200;
    for (int s = 0; s < kSums; ++s) {
      double exact = 0, squares = 0;
      float sum = 0;
      for (int64_t i = 0; i < k; ++i) {
        const float a = value(random), b = value(random);
        sum = std::fma(a, b, sum);
        exact += double(a) * double(b), squares += double(a) * double(b) * double(a) * double(b);
      }
      mean += (double(sum) - exact) * (double(sum) - exact) / squares / kSums;
    }
    const double in_units = mean / (kF32Roundoff * kF32Roundoff);
    EXPECT_GT(in_units, double(k) / 16) << k;
    EXPECT_LT(in_units, double(k) / 8) << k;
  }
}

}  // namespace
}  // namespace assay
