// Gate and up in one product with SwiGLU behind it: what a line of it says, its operands, its right answer.
#include "ops/matmul_swiglu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clones.h"
#include "base/error.h"
#include "ops/swiglu.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr double kRoundoff = 0x1p-24;           // of f32
constexpr double kEpilogue = 4;                 // roundings beside those of a sum
constexpr double kDeviations = 6;               // of rounded activations, in classes that are not exact
constexpr double kSteepest = 1.1, kBend = 0.5;  // |g · sigmoid(g)|' and '' are nowhere larger

constexpr OpName kNames[] = {{"matmul_swiglu", ""}};

constexpr OpField kFields[] = {
    {"op", "matmul_swiglu", true},
    {"m", kSaysSize, true},
    {"n", kSaysSize, true},
    {"k", kSaysSize, true},
    {"dtA", kSaysActivationType, true},
    {"dtB", kSaysWeightType, true},
    {"dtD", kSaysActivationType, true},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::b, Use::weight, "B", true, false},
    {Operand::d, Use::output, "D", true, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::a, 1}, {"n", Operand::d, 2}, {"k", Operand::a, 2}};

void interpret(const FieldReader& line, Spec& spec) {
  const MatmulSwiglu own{
      line.size("m"),   line.size("n"), line.size("k"), line.dtype("dtA"), line.dtype("dtB", /*may_be_quantized=*/true),
      line.dtype("dtD")};
  if (const int64_t block = dtype_facts(own.b).block_values; own.k % block != 0)
    line.refuse("k", fmt::format("{} weights need a multiple of {}", dtype_name(own.b), block));
  line.values("A", {own.m, own.k});
  line.values("D", {own.m, own.n});
  line.values("B", {2, own.n, own.k});
  spec.flops = 4 * line.values("the products", {own.m, own.n, own.k}) + 4 * own.m * own.n;
  spec.sizes = {{"m", own.m}, {"n", own.n}, {"k", own.k}};
  spec.shape = fmt::format("M:{} N:{} K:{}", own.m, own.n, own.k);
  spec.math = {{"op", std::string(kMatmulSwiglu.name)},
               size_field("m", own.m),
               size_field("n", own.n),
               size_field("k", own.k),
               type_field("dtA", own.a),
               type_field("dtB", own.b),
               type_field("dtD", own.d)};
  spec.own = std::make_shared<const MatmulSwiglu>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const MatmulSwiglu& spec = matmul_swiglu_of(of);
  Tensor gate = dense_tensor(Operand::b, spec.b, 1, spec.n, spec.k), up = gate;
  up.segment = 1;
  return {dense_tensor(Operand::a, spec.a, 1, spec.m, spec.k), gate, up,
          dense_tensor(Operand::d, spec.d, 1, spec.m, spec.n)};
}

enum Special { kFarOut, kZeros, kOutliers, kFaint, kLarge, kSpecials };

constexpr int64_t kGroups = 16;

/// Of a grouped draw: of group, and of row, a bit; and a power of two for all.
double group_sign(const OpDraw& draw, int64_t group) { return draw.random >> group & 1 ? -1 : 1; }
double row_factor(const OpDraw& draw, int64_t row) {
  return (draw.random >> (kGroups + 1 + row % 40) & 1 ? -1 : 1) * (draw.random >> kGroups & 1 ? 0.5 : 1);
}

void vary_groups(const OpDraw& draw, int64_t k, std::vector<double>& a) {
  double signs[kGroups];
  for (int64_t group = 0; group < kGroups; ++group) signs[group] = group_sign(draw, group);
  for (int64_t i = 0; i < std::ssize(a); ++i) a[size_t(i)] *= signs[i % k % kGroups] * row_factor(draw, i / k);
}

/// The root mean square of a product of two inputs; one of k values is about √k of it. Arenas hold quantized weights of
/// these sizes (proof/arena.cpp).
double typical_product(Dtype weights) { return !is_quantized(weights) ? 0.7 : weights == Dtype::q8_0 ? 1.0 : 0.43; }

double root_mean_square(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum / double(values.size()));
}

/// Each block of 32 of a row as a class of int8 has it, the largest value 127 times a power of two.
void make_int8_exact(int64_t k, std::vector<double>& a) {
  constexpr int64_t kBlock = 32;
  for (int64_t first = 0; first < std::ssize(a);) {
    const int64_t end = std::min({first / k * k + k, first + kBlock - first % k % kBlock, int64_t(a.size())});
    const std::span<double> block(&a[size_t(first)], size_t(end - first));
    const auto largest =
        std::max_element(block.begin(), block.end(), [](double x, double y) { return std::fabs(x) < std::fabs(y); });
    first = end;
    if (*largest == 0) continue;
    const double scale = std::exp2(std::ceil(std::log2(std::fabs(*largest) / 127)));
    for (double& value : block) value = std::round(value / scale) * scale;
    *largest = std::copysign(127 * scale, *largest);
  }
}

/// Gates of about 3, where the curve bends. Special: both products of about 200 whatever was drawn: exp overflows
/// either way, many an output in F16 does, and where the gate is small one that does not shows the up beside it; zeros;
/// every second block of 32 a thousandth of the others, which a kernel that quantizes them together loses; all so
/// small, or large, as an output of D's type still shows. The large ones are such that no class rounds them.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  constexpr int64_t kBlock = 32;
  const int64_t k = matmul_swiglu_of(of).k;
  const bool is_far = draw.special == kFarOut;
  const double size = is_far ? root_mean_square(varied[0]) : 1;
  if (draw.is_grouped)
    vary_groups(draw, k, varied[0]);
  else
    vary_signs_and_pieces(draw.random, k, varied[0]);
  const bool is_half = matmul_swiglu_of(of).d == Dtype::f16;
  const double wanted = is_far                   ? 200
                        : draw.special == kFaint ? (is_half ? 0x1p-6 : 0x1p-30)
                        : draw.special == kLarge ? (is_half ? 20 : 0x1p13)
                                                 : 3;
  const double exact = wanted / (typical_product(matmul_swiglu_of(of).b) * std::sqrt(double(k)));
  const double varied_size = is_far ? root_mean_square(varied[0]) : 1;
  const double factor = !is_far           ? std::exp2(std::round(std::log2(exact)))
                        : varied_size > 0 ? exact * size / varied_size
                                          : 1;
  for (int64_t i = 0; i < std::ssize(varied[0]); ++i) {
    double& value = varied[0][size_t(i)];
    value *= draw.special == kZeros ? 0 : factor;
    if (draw.special == kOutliers && i % k / kBlock % 2 == 1) value /= 1024;
  }
  if (draw.special == kLarge) make_int8_exact(k, varied[0]);
}

/// Of one column and row of A: both products, what they add up, and the variance of each by roundings of A.
struct Products {
  double gate = 0, up = 0, gate_size = 0, up_size = 0, gate_variance = 0, up_variance = 0, covariance = 0;
};

/// A product by groups, in lanes which the compiler makes vectors of: sums of groups, and of absolute values.
ASSAY_CLONES double multiply_groups(const float* a, const float* b, int64_t k, double* sums) {
  double of_group[kGroups] = {}, sizes[kGroups] = {};
  int64_t i = 0;
  for (; i + kGroups <= k; i += kGroups)
    for (int64_t lane = 0; lane < kGroups; ++lane) {
      const double term = double(a[i + lane]) * double(b[i + lane]);
      of_group[lane] += term, sizes[lane] += std::fabs(term);
    }
  for (int64_t lane = 0; i < k; ++i, ++lane) {
    const double term = double(a[i]) * double(b[i]);
    of_group[lane] += term, sizes[lane] += std::fabs(term);
  }
  double size = 0;
  for (int64_t lane = 0; lane < kGroups; ++lane) sums[lane] = of_group[lane], size += sizes[lane];
  return size;
}

double total(const double* groups) {
  double sum = 0;
  for (int64_t group = 0; group < kGroups; ++group) sum += groups[group];
  return sum;
}

Products multiply(std::span<const float> a, std::span<const float> gate, std::span<const float> up) {
  Products p;
  double sums[kGroups];
  p.gate_size = multiply_groups(a.data(), gate.data(), std::ssize(a), sums), p.gate = total(sums);
  p.up_size = multiply_groups(a.data(), up.data(), std::ssize(a), sums), p.up = total(sums);
  return p;
}

/// In lanes, as multiply_groups().
ASSAY_CLONES void add_variances(const double* of_a, const float* gate, const float* up, int64_t k, Products* p) {
  constexpr int64_t kLanes = 8;
  double of_gate[kLanes] = {}, of_up[kLanes] = {}, of_both[kLanes] = {};
  const auto add = [&](int64_t i, int64_t lane) {
    const auto g = double(gate[i]), u = double(up[i]);
    of_gate[lane] += of_a[i] * g * g, of_up[lane] += of_a[i] * u * u, of_both[lane] += of_a[i] * g * u;
  };
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  for (; i < k; ++i) add(i, i % kLanes);
  for (int64_t lane = 0; lane < kLanes; ++lane)
    p->gate_variance += of_gate[lane], p->up_variance += of_up[lane], p->covariance += of_both[lane];
}

/// Errors of g and u move D by s'(g)·u and s(g), s(g) = g · sigmoid(g); what is beyond that is of second order, at most
/// bend/2 · Δg² · |u| + steepest · |Δg·Δu|. Sums err as those of any product (√k·u·Σ|a||b|, kToleranceC times), rounded
/// activations of both by the same draws: their deviation is that of the weighted sum of both columns.
ExpectedValue expected_value(const Products& p, int64_t k, Dtype d) {
  const double sigmoid = 1 / (1 + std::exp(-p.gate)), s = p.gate * sigmoid,
               slope = sigmoid * (1 + p.gate * (1 - sigmoid));
  ExpectedValue e = swiglu_value(p.gate, s * p.up, p.up, d);
  const double of_sum = std::sqrt(double(k) + kEpilogue) * kRoundoff, by_gate = slope * p.up;
  e.free += of_sum * (std::fabs(by_gate) * p.gate_size + std::fabs(s) * p.up_size);
  const double variance =
      std::max(by_gate * by_gate * p.gate_variance + s * s * p.up_variance + 2 * by_gate * s * p.covariance, 0.0);
  const double gate_off = kToleranceC * of_sum * p.gate_size + kDeviations * std::sqrt(p.gate_variance),
               up_off = kToleranceC * of_sum * p.up_size + kDeviations * std::sqrt(p.up_variance);
  e.fixed += kBend / 2 * gate_off * gate_off * std::fabs(p.up) + kSteepest * gate_off * up_off;
  if (variance > 0) e.variance = variance + e.fixed * e.fixed;
  e.fixed += kDeviations * std::sqrt(variance);
  return e;
}

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const MatmulSwiglu& spec = matmul_swiglu_of(of);
  std::vector<std::vector<float>> a;
  std::vector<std::vector<double>> variances;
  for (int64_t row = 0; row < spec.m; ++row) {
    a.push_back(in.row(in.of(Operand::a), 0, row));
    if (in.accuracy != Accuracy::exact)
      variances.push_back(rounding_variances(in.accuracy, std::vector<double>(a.back().begin(), a.back().end())));
  }
  std::vector<ExpectedValue>& d = outputs[0].values;
  d.resize(size_t(spec.m * spec.n));
  std::vector<float> gate, up;
  for (int64_t column = 0; column < spec.n; ++column) {
    in.decode_row(in.of(Operand::b, 0), 0, column, gate);
    in.decode_row(in.of(Operand::b, 1), 0, column, up);
    for (size_t row = 0; row < a.size(); ++row) {
      Products p = multiply(a[row], gate, up);
      if (!variances.empty()) add_variances(variances[row].data(), gate.data(), up.data(), spec.k, &p);
      d[row * size_t(spec.n) + size_t(column)] = expected_value(p, spec.k, spec.d);
    }
  }
}

std::vector<ExpectedValue> expected_some(const Spec& of, const OpValues& in, std::span<const int64_t> elements) {
  const MatmulSwiglu& spec = matmul_swiglu_of(of);
  std::vector<ExpectedValue> values;
  std::vector<float> a, gate, up;
  std::vector<double> variances;
  int64_t row = -1;
  for (const int64_t element : elements) {
    if (element / spec.n != row) {
      row = element / spec.n;
      a = in.row(in.of(Operand::a), 0, row);
      if (in.accuracy != Accuracy::exact)
        variances = rounding_variances(in.accuracy, std::vector<double>(a.begin(), a.end()));
    }
    in.decode_row(in.of(Operand::b, 0), 0, element % spec.n, gate);
    in.decode_row(in.of(Operand::b, 1), 0, element % spec.n, up);
    Products p = multiply(a, gate, up);
    if (!variances.empty()) add_variances(variances.data(), gate.data(), up.data(), spec.k, &p);
    values.push_back(expected_value(p, spec.k, spec.d));
  }
  return values;
}

/// What is kept of one row of A, each for all columns: the sums of each group, of gate and then of up; both sizes; and
/// of each class both variances and the covariance.
constexpr int64_t kSizesAt = 2 * kGroups, kClassesAt = kSizesAt + 2, kOfClass = 3;

std::vector<float> add_up(const Spec& of, const OpValues& in, std::span<const Accuracy> classes) {
  const MatmulSwiglu& spec = matmul_swiglu_of(of);
  const auto lines = size_t(kClassesAt + kOfClass * std::ssize(classes)), n = size_t(spec.n);
  std::vector<float> sums(size_t(spec.m) * lines * n), gate, up;
  std::vector<std::vector<float>> a;
  std::vector<std::vector<double>> variances;
  for (int64_t row = 0; row < spec.m; ++row) {
    a.push_back(in.row(in.of(Operand::a), 0, row));
    for (const Accuracy accuracy : classes)
      variances.push_back(rounding_variances(accuracy, std::vector<double>(a.back().begin(), a.back().end())));
  }
  double groups[2 * kGroups], sizes[2];
  for (size_t column = 0; column < n; ++column) {
    in.decode_row(in.of(Operand::b, 0), 0, int64_t(column), gate);
    in.decode_row(in.of(Operand::b, 1), 0, int64_t(column), up);
    for (size_t row = 0; row < a.size(); ++row) {
      sizes[0] = multiply_groups(a[row].data(), gate.data(), spec.k, groups);
      sizes[1] = multiply_groups(a[row].data(), up.data(), spec.k, groups + kGroups);
      float* to = &sums[row * lines * n + column];
      for (const double sum : groups) *to = float(sum), to += n;
      for (const double size : sizes) *to = float(size), to += n;
      for (size_t i = 0; i < classes.size(); ++i) {
        Products p;
        add_variances(variances[row * classes.size() + i].data(), gate.data(), up.data(), spec.k, &p);
        for (const double value : {p.gate_variance, p.up_variance, p.covariance}) *to = float(value), to += n;
      }
    }
  }
  return sums;
}

/// to = Σ signs · lines of n values.
ASSAY_CLONES void combine(const float* lines, const double* signs, int64_t n, double* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = double(lines[i]) * signs[0];
  for (int64_t group = 1; group < kGroups; ++group)
    for (int64_t i = 0; i < n; ++i) to[i] += double(lines[group * n + i]) * signs[group];
}

void expected_of_groups(const Spec& of, const OpDraw& draw, std::span<const float> sums,
                        std::span<const Accuracy> classes, Accuracy accuracy, std::span<ExpectedOutput> outputs) {
  const MatmulSwiglu& spec = matmul_swiglu_of(of);
  const int64_t n = spec.n, lines = kClassesAt + kOfClass * std::ssize(classes);
  const auto index = std::find(classes.begin(), classes.end(), accuracy) - classes.begin();
  std::vector<ExpectedValue>& d = outputs[0].values;
  d.resize(size_t(spec.m * n));
  std::vector<double> gate(static_cast<size_t>(n)), up(gate.size());
  for (int64_t row = 0; row < spec.m; ++row) {
    const float* kept = &sums[size_t(row * lines * n)];
    const double factor = row_factor(draw, row), size = std::fabs(factor);
    double signs[kGroups];
    for (int64_t group = 0; group < kGroups; ++group) signs[group] = factor * group_sign(draw, group);
    combine(kept, signs, n, gate.data());
    combine(kept + kGroups * n, signs, n, up.data());
    const float *sizes = kept + kSizesAt * n, *variances = kept + (kClassesAt + kOfClass * index) * n;
    for (int64_t i = 0; i < n; ++i) {
      Products p{gate[size_t(i)], up[size_t(i)], size * double(sizes[i]), size * double(sizes[n + i])};
      if (accuracy != Accuracy::exact) {
        p.gate_variance = size * size * double(variances[i]), p.up_variance = size * size * double(variances[n + i]);
        p.covariance = size * size * double(variances[2 * n + i]);
      }
      d[size_t(row * n + i)] = expected_value(p, spec.k, spec.d);
    }
  }
}

constexpr OpGroups kOfGroups = {add_up, expected_of_groups, expected_some};

/// From the last value to the first, and by one exponential of the negative.
long double second_opinion(const Spec& of, const OpValues& in, size_t, int64_t element) {
  const MatmulSwiglu& spec = matmul_swiglu_of(of);
  const int64_t row = element / spec.n, column = element % spec.n;
  long double gate = 0, up = 0;
  for (int64_t i = spec.k - 1; i >= 0; --i) {
    const auto a = static_cast<long double>(in.decode_one(in.of(Operand::a), 0, row, i));
    gate += a * static_cast<long double>(in.decode_one(in.of(Operand::b, 0), 0, column, i));
    up += a * static_cast<long double>(in.decode_one(in.of(Operand::b, 1), 0, column, i));
  }
  const long double power = std::exp(-std::fabs(gate));
  return gate * up * (gate < 0 ? power : 1) / (1 + power);
}

}  // namespace

const Op kMatmulSwiglu = {.name = "matmul_swiglu",
                          .id = 10,
                          .names = kNames,
                          .fields = kFields,
                          .operands = kOperands,
                          .sizes = kSizes,
                          .features = {},
                          .is_product = false,
                          .ends_product = true,
                          .interpret = interpret,
                          .tensors = tensors,
                          .specials = kSpecials,
                          .infinite_special = kFarOut,
                          .vary = vary,
                          .expected = expected,
                          .second_opinion = second_opinion,
                          .groups = &kOfGroups};

const MatmulSwiglu& matmul_swiglu_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kMatmulSwiglu);
  return *static_cast<const MatmulSwiglu*>(spec.own.get());
}

}  // namespace assay
