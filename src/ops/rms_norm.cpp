// RMSNorm: what a line of it says, its operands, its right answer.
#include "ops/rms_norm.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr double kRoundoff = 0x1p-24;  // of f32, in which kernels may add

/// The second as traces of engines have it.
constexpr OpName kNames[] = {{"rms_norm", ""}, {"rmsnorm", ""}};

constexpr OpField kFields[] = {
    {"op", "rms_norm", true},
    {"m", kSaysSize, true},
    {"n", kSaysSize, true},
    {"dtA", kSaysActivationType, true},
    {"dtB", kSaysActivationType, true},
    {"dtD", kSaysActivationType, true},
    {"eps", kSaysFactor, true},
    {"residual", kSaysFlag},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::b, Use::weight, "B", true, false},
    {Operand::d, Use::output, "D", true, false},
    {Operand::c, Use::varied, "C", false, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::a, 1}, {"n", Operand::a, 2}};

constexpr OpNumber kNumbers[] = {{"eps"}};

constexpr std::string_view kFeatures[] = {"residual"};

void interpret(const FieldReader& line, Spec& spec) {
  RmsNorm own{line.size("m"),    line.size("n"),        line.dtype("dtA"),    line.dtype("dtB"),
              line.dtype("dtD"), line.factor("eps", 0), line.flag("residual")};
  if (own.eps < 0) line.refuse("eps", "it must not be negative");
  spec.flops = 4 * line.values("A", {own.m, own.n});
  spec.sizes = {{"m", own.m}, {"n", own.n}};
  if (own.residual) spec.needs.push_back({"residual", "adds a residual, supports none"});
  spec.params = {{kRmsNormEps, own.eps}};
  spec.shape = fmt::format("M:{} N:{}", own.m, own.n);
  spec.math = {{"op", std::string(kRmsNorm.name)}, size_field("m", own.m),   size_field("n", own.n),
               type_field("dtA", own.a),           type_field("dtB", own.b), type_field("dtD", own.d),
               {"eps", fmt::format("{}", own.eps)}};
  if (own.residual) spec.math.emplace_back("residual", "1");
  spec.own = std::make_shared<const RmsNorm>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const RmsNorm& spec = rms_norm_of(of);
  std::vector<Tensor> all = {dense_tensor(Operand::a, spec.a, 1, spec.m, spec.n),
                             dense_tensor(Operand::b, spec.b, 1, 1, spec.n),
                             dense_tensor(Operand::d, spec.d, 1, spec.m, spec.n)};
  if (!spec.residual) return all;
  all.push_back(dense_tensor(Operand::c, spec.a, 1, spec.m, spec.n));
  all.push_back(dense_tensor(Operand::d, spec.a, 1, spec.m, spec.n));
  all.back().segment = 1;
  return all;
}

/// What is added may be far smaller than what it is added to.
double residual_size(uint64_t drawn) { return drawn >> 41 & 1 ? std::ldexp(1.0, -int(drawn >> 42 & 15)) : 1; }

enum Special { kZeros, kOutlier, kTiny, kBesideEps, kTiniest, kLarge, kSpecials };

/// Neither D nor the norm is what it was. Special rows: zeros, where eps is all; one outlier; what is tiny; squares
/// that are a little beside eps; next to nothing beside it; what is large. A residual is of A's kind, or of the next
/// one, and else of another size.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  const RmsNorm& spec = rms_norm_of(of);
  const double tiniest = spec.a == Dtype::f16   ? 0x1p-12
                         : spec.d == Dtype::f16 ? 0x1p-20
                                                : 0x1p-30,
               large = spec.a == Dtype::f16 ? 0x1p12 : 0x1p30;
  for (size_t i = 0; i < varied.size(); ++i) {
    vary_signs_and_pieces(draw.random + i, spec.n, varied[i]);
    if (draw.special < 0) {
      const double size = drawn_size(draw.random) * (i == 0 ? 1 : residual_size(draw.random));
      for (double& value : varied[i]) value *= size;
      continue;
    }
    for (size_t at = 0; at < varied[i].size(); ++at) {
      const int of_other = int(i) & int(draw.random >> 40);
      const auto kind = Special((draw.special + of_other + int(int64_t(at) / spec.n % kSpecials)) % kSpecials);
      if (kind == kZeros) varied[i][at] = 0;
      if (kind == kOutlier) varied[i][at] = int64_t(at) % spec.n == spec.n / 2 ? 1024 : varied[i][at] / 1024;
      if (kind == kTiny) varied[i][at] *= 0x1p-12;
      if (kind == kBesideEps) varied[i][at] *= spec.eps > 0 ? std::sqrt(spec.eps) / 32 : 0x1p-14;
      if (kind == kTiniest) varied[i][at] *= tiniest / 16;
      if (kind == kLarge) varied[i][at] *= large;
    }
  }
}

/// X of a row, and how far off it may be in f32 and rounded to its type.
struct Row {
  std::vector<double> x;
  double error = 0;  // of each, relative
};

Row row_of(const RmsNorm& spec, const OpValues& in, int64_t row) {
  const std::vector<float> a = in.row(in.of(Operand::a), 0, row);
  Row result{{a.begin(), a.end()}, 0};
  if (!spec.residual) return result;
  const std::vector<float> c = in.row(in.of(Operand::c), 0, row);
  for (size_t i = 0; i < c.size(); ++i) result.x[i] += double(c[i]);
  result.error = 2 * unit_roundoff(spec.a);  // a kernel may go on with the rounded sum
  return result;
}

/// A sum of n squares in f32, a root, a division and two products: each rounds once, the sum √n times. Of all zeros
/// with eps = 0 there is no answer: 0 · ∞.
void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const RmsNorm& spec = rms_norm_of(of);
  const double rounding = unit_roundoff(spec.d);
  const std::vector<float> b = in.row(in.of(Operand::b), 0, 0);
  for (int64_t row = 0; row < spec.m; ++row) {
    const auto [x, error] = row_of(spec, in, row);
    const double free = (std::sqrt(double(spec.n)) / 2 + 4) * kRoundoff + error;
    double squares = 0;
    for (const double value : x) squares += value * value;
    const double scale = 1 / std::sqrt(squares / double(spec.n) + spec.eps);
    for (size_t i = 0; i < x.size(); ++i) {
      const double value = x[i] * scale * double(b[i]);
      outputs[0].values.push_back({value, rounding * std::fabs(value), free * std::fabs(value)});
      if (spec.residual)
        outputs[1].values.push_back({x[i], unit_roundoff(spec.a) * std::fabs(x[i]), kRoundoff * std::fabs(x[i])});
    }
  }
}

long double second_opinion(const Spec& of, const OpValues& in, size_t output, int64_t element) {
  const RmsNorm& spec = rms_norm_of(of);
  const int64_t column = element % spec.n, row = element / spec.n;
  const auto x = [&](int64_t i) {
    const auto a = static_cast<long double>(in.decode_one(in.of(Operand::a), 0, row, i));
    return spec.residual ? a + static_cast<long double>(in.decode_one(in.of(Operand::c), 0, row, i)) : a;
  };
  if (output == 1) return x(column);
  long double squares = 0;
  for (int64_t i = spec.n - 1; i >= 0; --i) squares += x(i) * x(i);
  const long double mean = squares / static_cast<long double>(spec.n) + static_cast<long double>(spec.eps);
  return x(column) * static_cast<long double>(in.decode_one(in.of(Operand::b), 0, 0, column)) / std::sqrt(mean);
}

}  // namespace

const Op kRmsNorm = {.name = "rms_norm",
                     .id = 2,
                     .names = kNames,
                     .fields = kFields,
                     .operands = kOperands,
                     .sizes = kSizes,
                     .features = kFeatures,
                     .is_product = false,
                     .numbers = kNumbers,
                     .interpret = interpret,
                     .tensors = tensors,
                     .specials = kSpecials,
                     .vary = vary,
                     .expected = expected,
                     .second_opinion = second_opinion};

const RmsNorm& rms_norm_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kRmsNorm);
  return *static_cast<const RmsNorm*>(spec.own.get());
}

}  // namespace assay
