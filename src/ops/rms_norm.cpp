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
      if (kind == kZeros && (spec.eps > 0 || i > 0)) varied[i][at] = 0;
      if (kind == kOutlier) varied[i][at] = int64_t(at) % spec.n == spec.n / 2 ? 1024 : varied[i][at] / 1024;
      if (kind == kTiny) varied[i][at] *= 0x1p-12;
      if (kind == kBesideEps) varied[i][at] *= spec.eps > 0 ? std::sqrt(spec.eps) / 32 : 0x1p-14;
      if (kind == kTiniest) varied[i][at] *= tiniest / 16;
      if (kind == kLarge) varied[i][at] *= large;
    }
  }
}

/// The sums of a row as a kernel may go on with them: exact, or rounded to A's type as they are written, be it from the
/// exact sum or from that of f32. Of both a launch may take the norm of one and the values of the other.
template <typename Real>
struct Sums {
  std::vector<std::vector<Real>> x;  // [way][column]; without a residual there is one way

  Sums(const RmsNorm& spec, std::vector<Real> exact) : x{std::move(exact)} {
    if (!spec.residual) return;
    for (const bool is_from_float : {false, true}) {
      std::vector<Real>& rounded = x.emplace_back(x[0]);
      for (Real& value : rounded) value = rounded_to(spec.a, is_from_float ? Real(float(value)) : value);
    }
  }

 private:
  /// To nearest, ties to even: digits of its type's mantissa are what a rounding to an integer keeps.
  static Real rounded_to(Dtype type, Real value) {
    if (type == Dtype::f32 || value == 0) return Real(float(value));
    const int digits = type == Dtype::f16 ? 11 : 8, least = type == Dtype::f16 ? -24 : -133;
    const int power = std::max(std::ilogb(value) + 1 - digits, least);
    return std::ldexp(std::nearbyint(std::ldexp(value, -power)), power);
  }
};

/// What an output may be: anything between the least and the most that the ways to it give.
template <typename Real>
struct Range {
  Real least, most;
  void add(Real value) { least = value < least ? value : least, most = value > most ? value : most; }
  Real middle() const { return least == most ? least : (least + most) / 2; }
};

/// x · scale of a column, of each way to x and each to the scale.
template <typename Real>
Range<Real> range_of(const Sums<Real>& sums, const Range<Real>& scale, size_t column) {
  Range<Real> range{sums.x[0][column] * scale.least, sums.x[0][column] * scale.least};
  for (const std::vector<Real>& x : sums.x) range.add(x[column] * scale.least), range.add(x[column] * scale.most);
  return range;
}

template <typename Real, typename Square>
Range<Real> scales_of(const RmsNorm& spec, const Sums<Real>& sums, Square add_up) {
  const auto scale = [&](const std::vector<Real>& x) {
    return 1 / std::sqrt(add_up(x) / Real(spec.n) + Real(spec.eps));
  };
  Range<Real> range{scale(sums.x[0]), scale(sums.x[0])};
  for (size_t way = 1; way < sums.x.size(); ++way) range.add(scale(sums.x[way]));
  return range;
}

std::vector<double> sums_of(const RmsNorm& spec, const OpValues& in, int64_t row) {
  const std::vector<float> a = in.row(in.of(Operand::a), 0, row);
  std::vector<double> sums(a.begin(), a.end());
  if (!spec.residual) return sums;
  const std::vector<float> c = in.row(in.of(Operand::c), 0, row);
  for (size_t i = 0; i < c.size(); ++i) sums[i] += double(c[i]);
  return sums;
}

/// Half of the distance between two numbers of a type where this one is: what rounding to it is off by at most.
double half_step(Dtype type, double value) {
  return value == 0 || !std::isfinite(value) ? 0 : std::ldexp(unit_roundoff(type), std::ilogb(value));
}

/// A sum of n squares in f32, a root, a division and two products: each rounds once, the sum √n times. Of all zeros
/// with eps = 0 there is no answer (0 · ∞), and none is asked for. What lies between two ways to an output is no
/// rounding, which would differ from output to output: c·free has half of it.
void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const RmsNorm& spec = rms_norm_of(of);
  const std::vector<float> b = in.row(in.of(Operand::b), 0, 0);
  const double free = (std::sqrt(double(spec.n)) / 2 + 4) * kRoundoff;
  for (int64_t row = 0; row < spec.m; ++row) {
    const Sums<double> sums(spec, sums_of(spec, in, row));
    const auto scale = scales_of(spec, sums, [](const std::vector<double>& x) {
      double squares = 0;
      for (const double value : x) squares += value * value;
      return squares;
    });
    for (size_t i = 0; i < b.size(); ++i) {
      const Range<double> range = range_of(sums, scale, i);
      const double weight = double(b[i]), value = range.middle() * weight,
                   apart = (range.most - range.least) / 2 * std::fabs(weight), largest = std::fabs(value) + apart;
      outputs[0].values.push_back({value, half_step(spec.d, largest), free * largest + apart / kToleranceC});
      const double x = sums.x[0][i];
      if (spec.residual)
        outputs[1].values.push_back({x, unit_roundoff(spec.a) * std::fabs(x), kRoundoff * std::fabs(x)});
    }
  }
}

/// From the last column to the first, in long double.
long double second_opinion(const Spec& of, const OpValues& in, size_t output, int64_t element) {
  const RmsNorm& spec = rms_norm_of(of);
  const int64_t column = element % spec.n, row = element / spec.n;
  std::vector<long double> exact(static_cast<size_t>(spec.n));
  for (int64_t i = 0; i < spec.n; ++i) {
    exact[size_t(i)] = static_cast<long double>(in.decode_one(in.of(Operand::a), 0, row, i));
    if (spec.residual) exact[size_t(i)] += static_cast<long double>(in.decode_one(in.of(Operand::c), 0, row, i));
  }
  if (output == 1) return exact[size_t(column)];
  const Sums<long double> sums(spec, std::move(exact));
  const auto scale = scales_of(spec, sums, [](const std::vector<long double>& x) {
    long double squares = 0;
    for (size_t i = x.size(); i-- > 0;) squares += x[i] * x[i];
    return squares;
  });
  return range_of(sums, scale, size_t(column)).middle() *
         static_cast<long double>(in.decode_one(in.of(Operand::b), 0, 0, column));
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
