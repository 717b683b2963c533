// SwiGLU: what a line of it says, its operands, its right answer.
#include "ops/swiglu.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr double kRoundoff = 0x1p-24;  // of f32
constexpr double kTiny = 0x1p-119;     // near the end of its range: gates below -87 may give 0

constexpr OpName kNames[] = {{"swiglu", ""}};

constexpr OpField kFields[] = {
    {"op", "swiglu", true},
    {"m", kSaysSize, true},
    {"n", kSaysSize, true},
    {"dtA", kSaysActivationType, true},
    {"dtD", kSaysActivationType, true},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::d, Use::output, "D", true, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::d, 1}, {"n", Operand::d, 2}};

void interpret(const FieldReader& line, Spec& spec) {
  const Swiglu own{line.size("m"), line.size("n"), line.dtype("dtA"), line.dtype("dtD")};
  spec.flops = line.values("A", {own.m, own.n, 4});
  spec.sizes = {{"m", own.m}, {"n", own.n}};
  spec.shape = fmt::format("M:{} N:{}", own.m, own.n);
  spec.math = {{"op", std::string(kSwiglu.name)},
               size_field("m", own.m),
               size_field("n", own.n),
               type_field("dtA", own.a),
               type_field("dtD", own.d)};
  spec.own = std::make_shared<const Swiglu>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const Swiglu& spec = swiglu_of(of);
  Tensor gate = dense_tensor(Operand::a, spec.a, 1, spec.m, spec.n), up = gate;
  up.segment = 1;
  return {gate, up, dense_tensor(Operand::d, spec.d, 1, spec.m, spec.n)};
}

enum Special { kEnds, kBetween, kSmallUp, kSmallGate, kLarge, kSpecials };

/// Special: gates where exp overflows either way, at zero, and where f32's sigmoid is exactly 1; and all that lies
/// between, where a sigmoid of pieces may be wrong; and each factor small or large where the type of D shows it.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  constexpr double kGates[] = {-200, -88.75, -87, -30, -1e-3, 0, 1e-3, 17, 88, 200};
  const int64_t n = swiglu_of(of).n;
  for (size_t i = 0; i < varied.size(); ++i) vary_signs_and_pieces(draw.random + i, n, varied[i]);
  if (draw.special < 0) {
    const double size = drawn_size(draw.random);
    for (double& up : varied[1]) up *= size;
    return;
  }
  const Swiglu& spec = swiglu_of(of);
  const bool is_half = spec.a == Dtype::f16 || spec.d == Dtype::f16;
  const double small = is_half ? 0x1p-10 : 0x1p-40, large = is_half ? 0x1p12 : 0x1p40;
  if (draw.special >= kSmallUp) {
    for (double& gate : varied[0]) gate *= draw.special == kSmallGate ? small : draw.special == kLarge ? 0.25 : 1;
    for (double& up : varied[1]) up *= draw.special == kSmallUp ? small : draw.special == kLarge ? large : 1;
    return;
  }
  constexpr double kWidest = 24;
  for (size_t i = 0; i < varied[0].size(); ++i)
    varied[0][i] = draw.special == kEnds
                       ? kGates[i % std::size(kGates)]
                       : std::ldexp(double(random_bits(draw.random + i) >> 11), -52) * kWidest - kWidest;
}

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const Swiglu& spec = swiglu_of(of);
  std::vector<ExpectedValue>& d = outputs[0].values;
  for (int64_t row = 0; row < spec.m; ++row) {
    const std::vector<float> gate = in.row(in.of(Operand::a, 0), 0, row), up = in.row(in.of(Operand::a, 1), 0, row);
    for (size_t i = 0; i < gate.size(); ++i) {
      const auto g = double(gate[i]), u = double(up[i]);
      d.push_back(swiglu_value(g, g / (1 + std::exp(-g)) * u, u, spec.d));
    }
  }
}

long double second_opinion(const Spec& of, const OpValues& in, size_t, int64_t element) {
  const int64_t n = swiglu_of(of).n, row = element / n, column = element % n;
  const long double gate = in.decode_one(in.of(Operand::a, 0), 0, row, column);
  return gate * static_cast<long double>(in.decode_one(in.of(Operand::a, 1), 0, row, column)) *
         (gate < 0 ? std::exp(gate) / (std::exp(gate) + 1) : 1 - 1 / (std::exp(gate) + 1));
}

}  // namespace

/// exp's argument and polynomial, a sum, a division, two products: each rounds once or twice.
ExpectedValue swiglu_value(double gate, double value, double up, Dtype d) {
  return {value, unit_roundoff(d) * std::fabs(value) + kTiny * std::max(1.0, std::fabs(up)),
          (6 + std::fabs(gate) / 2) * kRoundoff * std::fabs(value)};
}

const Op kSwiglu = {.name = "swiglu",
                    .id = 3,
                    .names = kNames,
                    .fields = kFields,
                    .operands = kOperands,
                    .sizes = kSizes,
                    .features = {},
                    .is_product = false,
                    .interpret = interpret,
                    .tensors = tensors,
                    .specials = kSpecials,
                    .vary = vary,
                    .expected = expected,
                    .second_opinion = second_opinion};

const Swiglu& swiglu_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kSwiglu);
  return *static_cast<const Swiglu*>(spec.own.get());
}

}  // namespace assay
