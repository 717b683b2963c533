// Laws of the reference: it equals a naive product in extended precision on every layout, type and segment.
#include "proof/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include "base/error.h"
#include "ops/matmul.h"
#include "proof/validator.h"

namespace assay {
namespace {

Spec spec_of(const std::string& rest) { return parse_spec("op=matmul | " + rest); }

/// A spec's inputs in arenas of their own.
struct Given {
  explicit Given(const Spec& spec, int64_t footprint = 100'000)
      : inputs(spec, reserved(arenas, spec, footprint), footprint) {}
  static Arenas& reserved(Arenas& arenas, const Spec& spec, int64_t footprint) {
    arenas.reserve(spec, footprint);
    return arenas;
  }
  Arenas arenas;
  SpecInputs inputs;
};

// Decoding that shares nothing with assay's own: field by field from the formats' definitions.
long double decode(Dtype dtype, const std::byte* at) {
  uint32_t bits = 0;
  std::memcpy(&bits, at, dtype == Dtype::f32 ? 4 : 2);
  const int exponent_bits = dtype == Dtype::f16 ? 5 : 8, mantissa_bits = dtype == Dtype::f32   ? 23
                                                                         : dtype == Dtype::f16 ? 10
                                                                                               : 7;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = int(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const bool negative = (bits >> (mantissa_bits + exponent_bits)) & 1;
  const long double value = exponent == 0 ? std::ldexp(static_cast<long double>(mantissa), 1 - bias - mantissa_bits)
                                          : std::ldexp(static_cast<long double>(mantissa + (1u << mantissa_bits)),
                                                       exponent - bias - mantissa_bits);
  return negative ? -value : value;
}

/// B[batch][column n][k] by the spec's own words, without the tensors' strides.
long double weight(const Spec& spec, const Tensor& b, int64_t batch, int64_t n, int64_t k) {
  const int64_t rows = matmul_of(spec).segments.empty() ? matmul_of(spec).n : matmul_of(spec).segments[b.segment].n,
                row = batch * rows + n;
  if (matmul_of(spec).b == Dtype::q8_0 && matmul_of(spec).loader == "q8nk_split")
    return decode(Dtype::f16, b.scales + 2 * (row * (matmul_of(spec).k / 32) + k / 32)) *
           static_cast<long double>(int8_t(b.data[row * matmul_of(spec).k + k]));
  if (matmul_of(spec).b == Dtype::q8_0) {
    const std::byte* block = b.data + (row * (matmul_of(spec).k / 32) + k / 32) * 34;
    return decode(Dtype::f16, block) * static_cast<long double>(int8_t(block[2 + k % 32]));
  }
  const bool stored_nk = matmul_of(spec).tB || !matmul_of(spec).segments.empty();
  const int64_t index = stored_nk ? row * matmul_of(spec).k + k : (batch * matmul_of(spec).k + k) * rows + n;
  return decode(matmul_of(spec).b, b.data + index * (matmul_of(spec).b == Dtype::f32 ? 4 : 2));
}

long double activation(const Spec& spec, const std::vector<std::byte>& bytes, int64_t batch, int64_t m, int64_t k) {
  const int64_t index = matmul_of(spec).tA ? (batch * matmul_of(spec).k + k) * matmul_of(spec).m + m
                                           : (batch * matmul_of(spec).m + m) * matmul_of(spec).k + k;
  return decode(matmul_of(spec).a, &bytes[size_t(index * (matmul_of(spec).a == Dtype::f32 ? 4 : 2))]);
}

/// Calls visit(element, segment's tensor, batch, m, n) in the order of D.
template <typename Visit>
void for_each_element(const Spec& spec, const std::vector<Tensor>& b, Visit visit) {
  size_t element = 0;
  for (const Tensor& t : b)
    for (int64_t batch = 0; batch < matmul_of(spec).batch; ++batch)
      for (int64_t m = 0; m < matmul_of(spec).m; ++m)
        for (int64_t n = 0; n < t.dims[1]; ++n) visit(element++, t, batch, m, n);
}

std::vector<Spec> every_layout() {
  std::vector<Spec> specs;
  for (const char* dtype : {"f32", "f16", "bf16"})
    for (const char* tA : {"0", "1"})
      for (const char* tB : {"0", "1"})
        for (const char* shape :
             {"batch=1 | m=1 | n=7 | k=1", "batch=1 | m=1 | n=1 | k=141", "batch=3 | m=2 | n=5 | k=33"})
          specs.push_back(
              spec_of(fmt::format("{} | tA={} | tB={} | dtA={} | dtB={} | dtD=f32", shape, tA, tB, dtype, dtype)));
  for (const char* rest :
       {"batch=1 | m=1 | n=9 | k=50 | tA=0 | tB=1 | dtA=bf16 | dtB=f16 | dtD=f32",
        "batch=1 | m=3 | n=9 | k=96 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16",
        "batch=2 | m=3 | n=9 | k=96 | tA=1 | tB=1 | dtA=f32 | dtB=q8_0 | dtD=f32",
        "batch=1 | m=1 | n=9 | k=96 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16 | loader=q8nk_split",
        "batch=1 | m=2 | n=9 | k=64 | tA=0 | tB=0 | dtA=bf16 | dtB=q8_0 | dtD=f16 | loader=q8nk_split",
        "batch=1 | m=1 | n=? | n0=5 | n1=6 | k=35 | tA=? | tB=? | dtA=f16 | dtB=f16 | dtD=f16",
        "batch=3 | m=2 | n=701 | k=37 | tA=1 | tB=1 | dtA=f32 | dtB=f16 | dtD=f32",
        "batch=1 | m=1 | n=? | n0=2100 | n1=2003 | k=141 | tA=? | tB=? | dtA=f16 | dtB=bf16 | dtD=f32",
        "batch=1 | m=1 | n=4200 | k=64 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f32 | loader=q8nk_split",
        "batch=1 | m=2 | n=? | nq=9 | nk=1 | nv=2 | k=64 | tA=? | tB=? | dtA=f16 | dtB=q8_0 | dtD=f16 | "
        "loader=q8nk_split"})
    specs.push_back(spec_of(rest));
  return specs;
}

TEST(Reference, EqualsTheNaiveProductInExtendedPrecisionOnEveryLayoutTypeAndSegment) {
  for (const Spec& spec : every_layout()) {
    SCOPED_TRACE(spec.line());
    const Given given(spec, 5'000);
    const Reference reference(given.inputs);
    EXPECT_EQ(reference.elements(), matmul_of(spec).batch * matmul_of(spec).m * matmul_of(spec).n);
    for (const CopyReference& copy : reference.copies()) {
      ASSERT_EQ(copy.sums.size() % size_t(reference.elements()), 0u);
      ASSERT_EQ(copy.magnitude.size(), size_t(reference.elements()));
      for_each_element(
          spec, given.inputs.b(copy.copy), [&](size_t element, const Tensor& b, int64_t batch, int64_t m, int64_t n) {
            long double product = 0, magnitude = 0;
            for (int64_t k = 0; k < matmul_of(spec).k; ++k) {
              const long double term =
                  activation(spec, given.inputs.a.bytes, batch, m, k) * weight(spec, b, batch, n, k);
              product += term;
              magnitude += std::fabs(term);
              ASSERT_EQ(double(weight(spec, b, batch, n, k)), b_element(b, batch, n, k));
            }
            ASSERT_LE(std::fabs(product - static_cast<long double>(
                                              reference.product(copy, int64_t(element), Variation::factors(0)))),
                      1e-13L * magnitude);
            ASSERT_LE(std::fabs(magnitude - static_cast<long double>(copy.magnitude[element])), 1e-13L * magnitude);
          });
    }
  }
}

TEST(Reference, RoundingActivationsToInt8HasTheDeviationOfItsDefinition) {
  const Spec spec = spec_of("batch=1 | m=2 | n=5 | k=96 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16");
  const Given given(spec);
  const Reference reference(given.inputs, {Accuracy::int8_activation});
  for (const CopyReference& copy : reference.copies())
    for_each_element(spec, given.inputs.b(copy.copy),
                     [&](size_t element, const Tensor& b, int64_t batch, int64_t m, int64_t n) {
                       long double variance = 0;
                       for (int64_t block = 0; block < matmul_of(spec).k / 32; ++block) {
                         long double largest = 0, squares = 0;
                         for (int64_t k = 32 * block; k < 32 * block + 32; ++k) {
                           largest = std::max(largest, std::fabs(activation(spec, given.inputs.a.bytes, batch, m, k)));
                           squares += weight(spec, b, batch, n, k) * weight(spec, b, batch, n, k);
                         }
                         variance += largest / 127 * (largest / 127) / 12 * squares;
                       }
                       const double deviation = copy.deviation[size_t(Accuracy::int8_activation)][element];
                       ASSERT_NEAR(deviation * deviation, double(variance), 1e-12 * double(variance));
                     });
  EXPECT_TRUE(Reference(given.inputs).copies()[0].deviation[size_t(Accuracy::int8_activation)].empty());
}

TEST(Reference, AtLeastEveryFourthCopyOfSmallWeightsHasOneSpreadOverAll) {
  const Spec spec = spec_of("batch=1 | m=1 | n=16 | k=32 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16");
  const Given given(spec, 50'000);
  const Reference reference(given.inputs);
  ASSERT_GT(given.inputs.copies(), 20);
  EXPECT_GE(4 * int64_t(reference.copies().size()), given.inputs.copies());
  int64_t without = 0, found = 0;
  for (int64_t copy = 0; copy < given.inputs.copies(); ++copy) {
    const CopyReference* one = reference.find(copy);
    without = one ? 0 : without + 1;
    EXPECT_LE(without, 4) << "no reference among the copies before " << copy;
    if (one) {
      ++found;
      EXPECT_EQ(one->copy, copy);
    }
  }
  EXPECT_EQ(found, int64_t(reference.copies().size()));
  std::set<double> firsts;
  for (const CopyReference& copy : reference.copies()) firsts.insert(reference.product(copy, 0, Variation::factors(0)));
  EXPECT_EQ(firsts.size(), reference.copies().size()) << "copies share an answer";
}

TEST(Reference, ADisagreementOfTheTwoImplementationsSaysSuspectTheReference) {
  const Spec spec = spec_of("batch=1 | m=1 | n=6 | k=40 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  Given given(spec);
  EXPECT_NO_THROW(Reference(given.inputs));
  given.inputs.a.values[39] *= 1 + 1e-9;  // only the second opinion reads these
  try {
    const Reference reference(given.inputs);
    FAIL() << "two answers were taken for one";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("suspect the reference"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("n=6"), std::string::npos) << e.what();
  }
}

// The reference is of the base value of A, in sums of its columns: whatever signs and factor a launch draws, it has to
// match a product that never heard of that shortcut.
TEST(Reference, UnderAnySignsAndFactorItEqualsAProductOfTheVeryBytesOfA) {
  std::mt19937_64 random(3);
  for (const Spec& spec : every_layout()) {
    SCOPED_TRACE(spec.line());
    const Given given(spec, 3'000);
    const Reference reference(given.inputs);
    const int64_t size = dtype_bytes(matmul_of(spec).d, 1);
    std::vector<std::byte> a, d(size_t(reference.elements() * size));
    for (const double factor : {1.0, -8.0, 0.125})
      for (int draw = 0; draw < 3; ++draw) {
        const LaunchInputs launch{reference.copies().back().copy,
                                  {factor, reference.signs_from(random()), random(), false}};
        given.inputs.varied_a(launch.a, a);
        for_each_element(spec, given.inputs.b(launch.copy),
                         [&](size_t element, const Tensor& b, int64_t batch, int64_t m, int64_t n) {
                           long double sum = 0;
                           for (int64_t k = 0; k < matmul_of(spec).k; ++k)
                             sum += activation(spec, a, batch, m, k) * weight(spec, b, batch, n, k);
                           encode_value(matmul_of(spec).d, double(sum), &d[element * size_t(size)]);
                         });
        Validator validator(reference, Accuracy::exact);
        EXPECT_EQ(validator.check(d, launch), "") << factor;
        EXPECT_LT(validator.stats().worst_ratio, 1e-3);
        LaunchInputs other = launch;
        other.a.signs = reference.signs_from(launch.a.signs ^ 2);
        if (matmul_of(spec).k > 1 && matmul_of(spec).d == Dtype::f32) {
          EXPECT_NE(Validator(reference, Accuracy::exact).check(d, other), "")
              << "other columns' signs were taken for these";
        }
        other = launch;
        other.a.factor = -factor;
        EXPECT_NE(Validator(reference, Accuracy::exact).check(d, other), "") << "another factor was taken for this one";
        other = launch;
        other.a.is_free = true;
        EXPECT_FALSE(validator.can_check(other)) << "a sign for each column is more than the reference keeps";
      }
  }
}

TEST(Reference, ManyOutputsOrCopiesLeaveMemoryForFewSumsAndSignsAreDrawnForThoseAlone) {
  const auto sums_of = [](const std::string& rest, int64_t footprint) {
    const Given given(spec_of(rest), footprint);
    const Reference reference(given.inputs);
    const size_t sums = reference.copies()[0].sums.size() / size_t(reference.elements());
    for (uint64_t bits = 0; bits < 1000; ++bits) {
      const uint64_t signs = reference.signs_from(bits * 0x9e3779b97f4a7c15u);
      for (int64_t k = 0; k < 64; ++k)
        EXPECT_EQ((Variation{1, signs, 0, false}.of_column(k)),
                  (Variation{1, signs, 0, false}.of_column(k % int64_t(sums))));
    }
    return sums;
  };
  EXPECT_EQ(sums_of("batch=1 | m=1 | n=896 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16", 0), 16u);
  EXPECT_EQ(sums_of("batch=1 | m=1 | n=9 | k=3 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16", 0), 4u);
  EXPECT_EQ(sums_of("batch=1 | m=512 | n=2048 | k=16 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16", 0), 4u);
}

}  // namespace
}  // namespace assay
