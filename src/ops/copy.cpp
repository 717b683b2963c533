// Copy: what a line of it says, its operands, its right answer.
#include "ops/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/half.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr std::string_view kOrders[] = {"012", "021", "102", "120", "201", "210"};

/// As engines call what only moves values: a KV cache in another order, heads repeated, a buffer to compute from.
constexpr OpName kNames[] = {
    {"copy", ""},    {"permute", "order"},           {"kv_rearrange", "order"},    {"repeat_kv_heads", "repeat"},
    {"staging", ""}, {"tensor_staging_prepare", ""}, {"tensor_staging_flush", ""},
};

constexpr OpField kFields[] = {
    {"op", "copy, permute, kv_rearrange, repeat_kv_heads or staging", true},
    {"batch", kSaysSize, true},
    {"m", kSaysSize, true},
    {"n", kSaysSize, true},
    {"dtA", kSaysActivationType, true},
    {"dtD", kSaysActivationType, true},
    {"order", "012, 021, 102, 120, 201 or 210"},
    {"repeat", kSaysSize},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::d, Use::output, "D", true, false},
};

constexpr OpSize kSizes[] = {{"batch", Operand::d, 0}, {"m", Operand::d, 1}, {"n", Operand::d, 2}};

constexpr std::string_view kFeatures[] = {"order", "repeat"};

void interpret(const FieldReader& line, Spec& spec) {
  Copy own{line.size("batch"), line.size("m"), line.size("n"), 1, "012", line.dtype("dtA"), line.dtype("dtD")};
  if (line.has("repeat")) own.repeat = line.size("repeat");
  if (line.has("order")) own.order = kOrders[line.choice("order", kOrders)];
  spec.flops = line.values("D", {own.batch, own.repeat, own.m, own.n});
  spec.sizes = {{"batch", own.batch * own.repeat}, {"m", own.m}, {"n", own.n}};
  if (own.order != "012") spec.needs.push_back({"order", fmt::format("A lies as {}, supports 012", own.order)});
  if (own.repeat > 1) spec.needs.push_back({"repeat", fmt::format("repeat is {}, supports 1", own.repeat)});
  spec.shape = fmt::format("B:{} M:{} N:{} {}", own.batch, own.m, own.n, own.order);
  spec.math = {{"op", std::string(kCopy.name)},
               size_field("batch", own.batch),
               size_field("m", own.m),
               size_field("n", own.n),
               type_field("dtA", own.a),
               type_field("dtD", own.d),
               {"order", own.order},
               size_field("repeat", own.repeat)};
  spec.own = std::make_shared<const Copy>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const Copy& spec = copy_of(of);
  Tensor a = dense_tensor(Operand::a, spec.a, spec.batch, spec.m, spec.n);
  int64_t stride = 1;
  for (size_t place = 3; place-- > 0;) {
    const int dim = spec.order[place] - '0';
    a.strides[dim] = stride;
    stride *= a.dims[dim];
  }
  return {a, dense_tensor(Operand::d, spec.d, spec.batch * spec.repeat, spec.m, spec.n)};
}

enum Special { kFewBits, kBeyond, kSpecials };

// As floats: quiet; all bits of the mantissa, which rounding may carry away; the least, which a cut may, and signals.
constexpr double kQuietNan = std::bit_cast<double>(0x7ff8000000000000),
                 kFullNan = std::bit_cast<double>(0x7fffffffe0000000),
                 kLeastNan = std::bit_cast<double>(0x7ff0000020000000);

/// Values are other ones, whatever the order in which they lie. Special: what fewer bits make infinite, zero,
/// subnormal; infinities, NaN, what D's type has none for, and what it just has.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  vary_signs_and_pieces(draw.random, copy_of(of).n, varied[0]);
  const double most = copy_of(of).a == Dtype::bf16 ? 65280 : 65504;  // of F16; the next one of BF16 would be infinite
  const bool is_half = copy_of(of).a == Dtype::f16 || copy_of(of).d == Dtype::f16;
  const double values[] = {0,
                           -0.0,
                           1,
                           0x1p-24,
                           -0x1.8p-20,
                           0x1p-14,
                           most,
                           -60000,
                           1 + 0x1p-11,
                           1 + 0x1.8p-11,
                           is_half ? 0x1p-12 : 0x1p-100,
                           is_half ? 0x1p12 : 0x1p100};
  const double tiny = copy_of(of).d == Dtype::bf16 ? 0x1p-120 : 0x1.8p-130;  // who rounds to BF16 may flush subnormals
  const double beyond[] = {-INFINITY, 1,     INFINITY, 1e30,  kQuietNan, -70'000, tiny,     65'519,  65'536,   kFullNan,
                           -65'510,   -tiny, 2,        -3e38, kLeastNan, 65520,   3.394e38, -3.4e38, -kFullNan};
  for (size_t i = 0; i < varied[0].size(); ++i) {
    if (draw.special == kFewBits) varied[0][i] = values[i % std::size(values)];
    if (draw.special == kBeyond) varied[0][i] = beyond[i % std::size(beyond)];
  }
}

/// A type of 16 bits ends at its largest value; from half a step above it numbers round to infinity, below that to it.
double in_range(double value, Dtype to) {
  const double largest = largest_value(to), beyond = to == Dtype::f16 ? 65'520 : 0x1.ffp127, size = std::fabs(value);
  if (to == Dtype::f32 || !(size > largest)) return value;
  return std::copysign(size >= beyond ? INFINITY : largest, value);
}

ExpectedValue copied(double value, Dtype to) {
  const double ranged = in_range(value, to);
  const bool is_rounded = std::isfinite(value) && ranged == value;
  return {ranged, is_rounded ? unit_roundoff(to) * std::fabs(value) : 0, 0};
}

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const Copy& spec = copy_of(of);
  for (int64_t batch = 0; batch < spec.batch * spec.repeat; ++batch)
    for (int64_t row = 0; row < spec.m; ++row)
      for (const float value : in.row(in.of(Operand::a), batch / spec.repeat, row))
        outputs[0].values.push_back(copied(double(value), spec.d));
}

long double second_opinion(const Spec& of, const OpValues& in, size_t, int64_t element) {
  const Copy& spec = copy_of(of);
  const int64_t column = element % spec.n, row = element / spec.n % spec.m, batch = element / spec.n / spec.m;
  const double value = in.decode_one(in.of(Operand::a), batch / spec.repeat, row, column);
  // Ends of a type are where the conversions of single numbers have them.
  const auto single = float(value), to = spec.d == Dtype::f16    ? half_to_float(float_to_half(single))
                                         : spec.d == Dtype::bf16 ? bf16_to_float(float_to_bf16(single))
                                                                 : single;
  return std::fabs(value) > largest_value(spec.d) ? double(to) : value;
}

}  // namespace

const Op kCopy = {.name = "copy",
                  .id = 9,
                  .names = kNames,
                  .fields = kFields,
                  .operands = kOperands,
                  .sizes = kSizes,
                  .features = kFeatures,
                  .is_product = false,
                  .interpret = interpret,
                  .tensors = tensors,
                  .specials = kSpecials,
                  .infinite_special = kBeyond,
                  .keeps_signs_of_zero = true,
                  .vary = vary,
                  .expected = expected,
                  .second_opinion = second_opinion};

const Copy& copy_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kCopy);
  return *static_cast<const Copy*>(spec.own.get());
}

}  // namespace assay
