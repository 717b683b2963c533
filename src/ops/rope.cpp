// Rotary positions: what a line of it says, its operands, its right answer.
#include "ops/rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr double kRoundoff = 0x1p-24;  // of f32
constexpr std::string_view kStyles[] = {"neox", "pairs"};

constexpr OpName kNames[] = {{"rope", ""}};

constexpr OpField kFields[] = {
    {"op", "rope", true},
    {"m", kSaysSize, true},
    {"heads", kSaysSize, true},
    {"kv_heads", kSaysSize, true},
    {"head_size", "an even number", true},
    {"capacity", "a whole number of at least m", true},
    {"dtA", kSaysActivationType, true},
    {"dtCache", kSaysCacheType, true},
    {"dtD", kSaysActivationType, true},
    {"style", "neox or pairs", true},
    {"base", "a number from 1 to 1e30", true},
    {"dimensions", "an even number up to head_size"},
    {"factors", kSaysFlag},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::cache, Use::output, "cache", true, false},
    {Operand::d, Use::output, "D", true, false},
    {Operand::index, Use::varied, "position", false, false},
    {Operand::factors, Use::constant, "factors", false, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::d, 1},
                             {"n", Operand::d, 2},
                             {"kv_heads", Operand::cache, 0},
                             {"capacity", Operand::cache, 1},
                             {"head_size", Operand::cache, 2}};

constexpr OpNumber kNumbers[] = {{"base"}};

constexpr std::string_view kFeatures[] = {"factors", "pairs"};

Rope read(const FieldReader& line) {
  Rope own;
  own.m = line.size("m"), own.heads = line.size("heads"), own.kv_heads = line.size("kv_heads");
  own.size = line.size("head_size"), own.capacity = line.size("capacity");
  own.a = line.dtype("dtA"), own.cache = cache_type(line, own.size), own.d = line.dtype("dtD");
  own.pairs = line.choice("style", kStyles) == 1;
  own.base = line.factor("base", 0);
  own.dimensions = line.has("dimensions") ? line.size("dimensions") : own.size;
  own.factors = line.flag("factors");
  if (own.heads % own.kv_heads != 0) line.refuse("heads", "it must be a multiple of kv_heads");
  if (own.size % 2 != 0) line.refuse("head_size", "values turn in pairs: it must be even");
  if (own.dimensions % 2 != 0 || own.dimensions > own.size) line.refuse("dimensions");
  if (!(own.base >= 1 && own.base <= 1e30)) line.refuse("base");  // frequencies are floats
  if (own.capacity < own.m) line.refuse("capacity", "the cache must hold the m rows");
  if (own.capacity >= int64_t(1) << 31) line.refuse("capacity", "positions are 32-bit");
  return own;
}

void interpret(const FieldReader& line, Spec& spec) {
  const Rope own = read(line);
  line.values("the cache", {own.kv_heads, own.capacity, own.size});
  spec.flops = 3 * line.values("A", {own.m, own.heads + 2 * own.kv_heads, own.size});
  spec.sizes = {{"m", own.m},
                {"n", own.heads * own.size},
                {"kv_heads", own.kv_heads},
                {"capacity", own.capacity},
                {"head_size", own.size}};
  if (own.factors) spec.needs.push_back({"factors", "has frequency factors, supports none"});
  if (own.pairs) spec.needs.push_back({"pairs", "turns neighbours, supports halves of a head"});
  spec.params = {{kRopeBase, own.base}, {kRopeDimensions, double(own.dimensions)}, {kRopeStyle, own.pairs ? 1.0 : 0.0}};
  spec.shape = fmt::format("M:{} heads:{}/{}x{}", own.m, own.heads, own.kv_heads, own.size);
  spec.math = {{"op", std::string(kRope.name)},
               size_field("m", own.m),
               size_field("heads", own.heads),
               size_field("kv_heads", own.kv_heads),
               size_field("head_size", own.size),
               size_field("capacity", own.capacity),
               type_field("dtA", own.a),
               type_field("dtCache", own.cache),
               type_field("dtD", own.d),
               {"style", std::string(kStyles[own.pairs])},
               {"base", fmt::format("{}", own.base)},
               size_field("dimensions", own.dimensions),
               {"factors", own.factors ? "1" : "0"}};
  spec.own = std::make_shared<const Rope>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const Rope& spec = rope_of(of);
  const int64_t kv = spec.kv_heads * spec.size;
  const auto add = [](Tensor t, uint32_t segment) { return t.segment = segment, t; };
  Tensor cache = dense_tensor(Operand::cache, spec.cache, spec.kv_heads, spec.capacity, spec.size);
  cache.is_sparse = true;
  cache.touched = dtype_bytes(spec.cache, spec.m * kv);
  std::vector<Tensor> all = {dense_tensor(Operand::a, spec.a, 1, spec.m, spec.heads * spec.size),
                             add(dense_tensor(Operand::a, spec.a, 1, spec.m, kv), 1),
                             add(dense_tensor(Operand::a, spec.a, 1, spec.m, kv), 2),
                             dense_tensor(Operand::d, spec.d, 1, spec.m, spec.heads * spec.size),
                             cache,
                             add(cache, 1),
                             dense_tensor(Operand::index, Dtype::i32, 1, 1, 1)};
  if (spec.factors) all.push_back(dense_tensor(Operand::factors, Dtype::f32, 1, 1, spec.dimensions / 2));
  return all;
}

enum Special { kFirstPosition, kLastPosition, kTiny, kLarge, kSpecials };

int64_t positions(const Spec& of) { return rope_of(of).capacity - rope_of(of).m + 1; }

constexpr OpSweep kSweep = {
    .operand = 3,
    .numbers = positions,
    .per_launch = [](const Spec&) { return int64_t(1); },
    .put =
        [](const Spec&, std::span<const int64_t> numbers, std::vector<SweptValue>& to) {
          to.push_back({0, double(numbers[0])});
        },
    .likely = [](const Spec& of, uint64_t) { return edges(positions(of)); },
    .answers = nullptr,
};

void enlarge(Spec& of, int64_t capacity) {
  Rope own = rope_of(of);
  own.capacity = capacity;
  of.own = std::make_shared<const Rope>(own);
  std::vector<Tensor> all = tensors(of);
  for (size_t i = 0; i < all.size(); ++i) all[i].use = of.tensors[i].use;
  of.tensors = std::move(all);
}

/// Special: position 0, the last that there is room for, values that f16 holds as subnormals (tinier ones where nothing
/// is f16), and large ones.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  const Rope& spec = rope_of(of);
  for (size_t i = 0; i < 3; ++i) vary_signs_and_pieces(draw.random + i, spec.size, varied[i]);
  varied[3][0] = double(draw.special == kFirstPosition  ? 0
                        : draw.special == kLastPosition ? positions(of) - 1
                                                        : draw_index(draw.random, positions(of)));
  for (size_t i = 0; i < 3 && (draw.special == kTiny || draw.special == kLarge); ++i) {
    const Dtype to = i == 0 ? spec.d : spec.cache;
    const bool is_half = spec.a == Dtype::f16 || to == Dtype::f16 || to == Dtype::q8_0;
    const double tiny = is_half ? 0x1p-16 : 0x1p-60, large = is_half ? 0x1p12 : 0x1p60;
    for (double& value : varied[i]) value *= draw.special == kTiny ? tiny : large;
  }
}

/// A row of heads, turned in place by the angles of its position.
class Turn {
 public:
  Turn(const Rope& spec, const OpValues& in, int64_t position) : spec_(spec) {
    std::vector<float> factors;
    if (spec.factors) factors = in.row(in.of(Operand::factors), 0, 0);
    for (int64_t j = 0; j < spec.dimensions / 2; ++j) {
      const double frequency = std::pow(spec.base, -2 * double(j) / double(spec.dimensions));
      angles_.push_back(double(position) * frequency / (spec.factors ? double(factors[size_t(j)]) : 1.0));
      cosines_.push_back(std::cos(angles_.back())), sines_.push_back(std::sin(angles_.back()));
    }
  }
  /// The angle in f32 is off by some units of itself; sines and products round as well.
  ExpectedValue value(std::span<const float> head, int64_t i, Dtype to) const {
    const int64_t half = spec_.dimensions / 2, j = spec_.pairs ? i / 2 : i % half;
    if (i >= spec_.dimensions) return kept(double(head[size_t(i)]), to);
    const bool is_second = spec_.pairs ? i % 2 == 1 : i >= half;
    const auto x = double(head[size_t(i)]), other = double(head[size_t(spec_.pairs ? i ^ 1
                                                                       : is_second ? i - half
                                                                                   : i + half)]);
    const double value = x * cosines_[size_t(j)] + (is_second ? other : -other) * sines_[size_t(j)];
    return {value, unit_roundoff(to) * std::fabs(value),
            (std::fabs(x) + std::fabs(other)) * (4 + 8 * std::fabs(angles_[size_t(j)])) * kRoundoff};
  }
  static ExpectedValue kept(double value, Dtype to) { return {value, unit_roundoff(to) * std::fabs(value), 0}; }

 private:
  const Rope& spec_;
  std::vector<double> angles_, cosines_, sines_;
};

/// A block of Q8_0 has 127 steps up to its largest value. What it holds is off by half a step (and a little, as the
/// quotient is one of f32), and by as many times as it has steps by what the step lost as a half.
void round_to_blocks(std::vector<ExpectedValue>& values) {
  constexpr double kSteps = 127, kQuotient = 0x1p-12, kHalfRoundoff = 0x1p-11, kLeastOfHalf = 0x1p-25;
  const auto size = size_t(dtype_facts(Dtype::q8_0).block_values);
  for (size_t block = 0; block < values.size(); block += size) {
    const auto of = std::span(values).subspan(block, size);
    double largest = 0, free = 0;
    for (const ExpectedValue& e : of) largest = std::max(largest, std::fabs(e.value)), free = std::max(free, e.free);
    const double step = largest / kSteps, lost = std::max(step * kHalfRoundoff, kLeastOfHalf);
    for (ExpectedValue& e : of) {
      if (largest > 0) e.fixed = step * (0.5 + kQuotient) + (std::fabs(e.value) / step + 0.5) * lost;
      e.free += free / kSteps;
    }
  }
}

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const Rope& spec = rope_of(of);
  const int64_t position = in.index(0), size = spec.size;
  std::vector<std::vector<float>> k, v;
  std::vector<Turn> turns;
  for (int64_t row = 0; row < spec.m; ++row) {
    turns.emplace_back(spec, in, position + row);
    k.push_back(in.row(in.of(Operand::a, 1), 0, row)), v.push_back(in.row(in.of(Operand::a, 2), 0, row));
    const std::vector<float> q = in.row(in.of(Operand::a, 0), 0, row);
    for (int64_t i = 0; i < spec.heads * size; ++i)
      outputs[0].values.push_back(
          turns.back().value(std::span(q).subspan(size_t(i / size * size), size_t(size)), i % size, spec.d));
  }
  for (int64_t head = 0; head < spec.kv_heads; ++head) {
    const int64_t first = (head * spec.capacity + position) * size;
    for (ExpectedOutput* output : {&outputs[1], &outputs[2]})
      output->written.emplace_back(first, first + spec.m * size);
    for (size_t row = 0; row < size_t(spec.m); ++row)
      for (int64_t i = 0; i < size; ++i) {
        const auto of_k = std::span(k[row]).subspan(size_t(head * size), size_t(size));
        outputs[1].values.push_back(turns[row].value(of_k, i, spec.cache));
        outputs[2].values.push_back(Turn::kept(double(v[row][size_t(head * size + i)]), spec.cache));
      }
  }
  for (size_t output = 1; is_quantized(spec.cache) && output < 3; ++output) round_to_blocks(outputs[output].values);
}

/// By complex numbers: a pair times e^(i·angle).
long double second_opinion(const Spec& of, const OpValues& in, size_t output, int64_t element) {
  const Rope& spec = rope_of(of);
  int64_t row = element / (spec.heads * spec.size), column = element % (spec.heads * spec.size);
  if (output > 0) {
    row = element / spec.size % spec.capacity - in.index(0);
    column = element / (spec.size * spec.capacity) * spec.size + element % spec.size;
  }
  const Tensor& x = in.of(Operand::a, uint32_t(output));
  const auto at = [&](int64_t i) { return static_cast<long double>(in.decode_one(x, 0, row, i)); };
  const int64_t i = column % spec.size, head = column - i, half = spec.dimensions / 2;
  if (output == 2 || i >= spec.dimensions) return at(column);
  const int64_t j = spec.pairs ? i / 2 : i % half;
  long double angle = static_cast<long double>(in.index(0) + row) *
                      std::exp2(-2.0L * static_cast<long double>(j) / static_cast<long double>(spec.dimensions) *
                                std::log2(static_cast<long double>(spec.base)));
  if (spec.factors) angle /= static_cast<long double>(in.decode_one(in.of(Operand::factors), 0, 0, j));
  const long double real = at(head + (spec.pairs ? 2 * j : j)),
                    imaginary = at(head + (spec.pairs ? 2 * j + 1 : j + half));
  const bool wants_imaginary = i != (spec.pairs ? 2 * j : j);
  const long double length = std::hypot(real, imaginary), turned = std::atan2(imaginary, real) + angle;
  return length * (wants_imaginary ? std::sin(turned) : std::cos(turned));
}

}  // namespace

const Op kRope = {.name = "rope",
                  .id = 5,
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
                  .second_opinion = second_opinion,
                  .sweep = &kSweep,
                  .enlarge = enlarge};

const Rope& rope_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kRope);
  return *static_cast<const Rope*>(spec.own.get());
}

}  // namespace assay
