// RMSNorm: what a line of it says, its operands, its right answer.
#include "ops/rms_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr int64_t kMostValues = int64_t(1) << 40;
constexpr double kRoundoff = 0x1p-24;  // of f32, in which kernels may add

constexpr OpName kNames[] = {{"rms_norm", ""}};

constexpr OpField kFields[] = {
    {"op", "rms_norm", true},
    {"m", kSaysSize, true},
    {"n", kSaysSize, true},
    {"dtA", kSaysActivationType, true},
    {"dtB", kSaysActivationType, true},
    {"dtD", kSaysActivationType, true},
    {"eps", kSaysFactor, true},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::b, Use::weight, "B", true, false},
    {Operand::d, Use::output, "D", true, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::a, 1}, {"n", Operand::a, 2}};

void interpret(const FieldReader& line, Spec& spec) {
  RmsNorm own{line.size("m"),    line.size("n"),    line.dtype("dtA"),
              line.dtype("dtB"), line.dtype("dtD"), line.factor("eps", 0)};
  if (own.eps < 0) line.refuse("eps", "it must not be negative");
  if (own.n > kMostValues / own.m)
    line.refuse_all(fmt::format("fields m={} n={}: A would have more than 2^40 values", own.m, own.n));
  spec.sizes = {{"m", own.m}, {"n", own.n}};
  spec.params = {{kRmsNormEps, own.eps}};
  spec.flops = 4 * own.m * own.n;
  spec.shape = fmt::format("M:{} N:{}", own.m, own.n);
  spec.math = {{"op", std::string(kRmsNorm.name)},
               {"m", std::to_string(own.m)},
               {"n", std::to_string(own.n)},
               {"dtA", std::string(dtype_name(own.a))},
               {"dtB", std::string(dtype_name(own.b))},
               {"dtD", std::string(dtype_name(own.d))},
               {"eps", fmt::format("{}", own.eps)}};
  spec.own = std::make_shared<const RmsNorm>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const RmsNorm& spec = rms_norm_of(of);
  return {dense_tensor(Operand::a, spec.a, 1, spec.m, spec.n), dense_tensor(Operand::b, spec.b, 1, 1, spec.n),
          dense_tensor(Operand::d, spec.d, 1, spec.m, spec.n)};
}

/// Signs of all values, and powers of two of eight pieces of each row: neither D nor the norm is what it was.
void vary(const Spec& of, uint64_t drawn, std::vector<double>& a) {
  const RmsNorm& spec = rms_norm_of(of);
  constexpr int64_t kPieces = 8;
  uint64_t bits = 0;
  for (int64_t i = 0; i < std::ssize(a); ++i) {
    const int64_t column = i % spec.n;
    if (i % 64 == 0) bits = random_bits(drawn + uint64_t(i / 64));
    const auto piece = int(column * kPieces / spec.n), power = int(drawn >> (2 * piece) & 3) - 2;
    a[size_t(i)] = std::ldexp(bits >> (i % 64) & 1 ? -a[size_t(i)] : a[size_t(i)], power);
  }
}

/// A sum of n squares in f32, a root, a division and two products: each rounds once, the sum √n times.
void expected(const Spec& of, const OpValues& in, std::vector<ExpectedValue>& d) {
  const RmsNorm& spec = rms_norm_of(of);
  const double free = (std::sqrt(double(spec.n)) / 2 + 4) * kRoundoff, rounding = unit_roundoff(spec.d);
  d.resize(size_t(spec.m * spec.n));
  for (int64_t row = 0; row < spec.m; ++row) {
    const double* const a = &in.a[size_t(row * spec.n)];
    double squares = 0;
    for (int64_t i = 0; i < spec.n; ++i) squares += a[i] * a[i];
    const double scale = 1 / std::sqrt(squares / double(spec.n) + spec.eps);
    for (int64_t i = 0; i < spec.n; ++i) {
      const double value = a[i] * scale * double(in.b[size_t(i)]);
      d[size_t(row * spec.n + i)] = {value, rounding * std::fabs(value), free * std::fabs(value)};
    }
  }
}

long double second_opinion(const Spec& of, const OpValues& in, int64_t element) {
  const RmsNorm& spec = rms_norm_of(of);
  const int64_t column = element % spec.n, first = element - column;
  long double squares = 0;
  for (int64_t i = spec.n - 1; i >= 0; --i) {
    const auto a = static_cast<long double>(in.a[size_t(first + i)]);
    squares += a * a;
  }
  const long double mean = squares / static_cast<long double>(spec.n) + static_cast<long double>(spec.eps);
  return static_cast<long double>(in.a[size_t(element)]) * static_cast<long double>(in.b[size_t(column)]) /
         std::sqrt(mean);
}

}  // namespace

const Op kRmsNorm = {.name = "rms_norm",
                     .id = 2,
                     .names = kNames,
                     .fields = kFields,
                     .operands = kOperands,
                     .sizes = kSizes,
                     .features = {},
                     .is_product = false,
                     .interpret = interpret,
                     .tensors = tensors,
                     .vary = vary,
                     .expected = expected,
                     .second_opinion = second_opinion};

const RmsNorm& rms_norm_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kRmsNorm);
  return *static_cast<const RmsNorm*>(spec.own.get());
}

}  // namespace assay
