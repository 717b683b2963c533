// Argmax: what a line of it says, its operands, its right answer.
#include "ops/argmax.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clones.h"
#include "base/error.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr OpName kNames[] = {{"argmax", ""}};

constexpr OpField kFields[] = {
    {"op", "argmax", true},
    {"m", kSaysSize, true},
    {"n", kSaysSize, true},
    {"dtA", kSaysActivationType, true},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::d, Use::output, "D", false, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::a, 1}, {"n", Operand::a, 2}};

void interpret(const FieldReader& line, Spec& spec) {
  const Argmax own{line.size("m"), line.size("n"), line.dtype("dtA")};
  spec.flops = line.values("A", {own.m, own.n});
  if (own.n >= int64_t(1) << 31) line.refuse("n", "its places are 32-bit");
  spec.sizes = {{"m", own.m}, {"n", own.n}};
  spec.shape = fmt::format("M:{} N:{}", own.m, own.n);
  spec.math = {
      {"op", std::string(kArgmax.name)}, size_field("m", own.m), size_field("n", own.n), type_field("dtA", own.a)};
  spec.own = std::make_shared<const Argmax>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const Argmax& spec = argmax_of(of);
  return {dense_tensor(Operand::a, spec.a, 1, spec.m, spec.n), dense_tensor(Operand::d, Dtype::i32, 1, spec.m, 1)};
}

enum Special {
  kAllEqual,
  kTieAtBothEnds,
  kAllNegative,
  kInfinity,
  kZeros,
  kTiny,
  kLarge,
  kInfinite,
  kInfiniteAtEnd,
  kAllInfinite,
  kSpecials
};

/// Rows are turned by a drawn number of places, another one each. Their largest value, a drawn one, comes once, twice
/// or three times; the next smaller one of A's type comes twice, once before it: who orders by fewer bits takes that.
/// Special rows are of ties, of negative values, of the least value among
/// infinities, of zeros of both signs, which are equal, of tiny and of large ones, with infinity as the largest, at
/// an end or anywhere, and of -Inf alone.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  const Argmax& spec = argmax_of(of);
  std::vector<double>& a = varied[0];
  for (int64_t row = 0; row < spec.m; ++row) {
    double* const first = &a[size_t(row * spec.n)];
    const uint64_t drawn = random_bits(draw.random + uint64_t(row));
    std::rotate(first, first + int64_t(drawn % uint64_t(spec.n)), first + spec.n);
    const double step = std::ldexp(unit_roundoff(spec.a), 2);  // of A's type, from 2 to 4
    const double peak =
        2 + std::floor(double(drawn >> 40) * 0x1p-23 / step / 2) * 2 * step + step;  // its last bit is 1
    const uint64_t place = random_bits(drawn) % uint64_t(spec.n);
    for (const uint64_t below : {random_bits(~drawn) % uint64_t(spec.n), random_bits(drawn - 1) % (place + 1)})
      first[below] = peak - step;
    for (uint64_t i = 0; i <= (drawn >> 60) % 3; ++i) first[random_bits(drawn + i) % uint64_t(spec.n)] = peak;
    const auto fill = [&](double value) { std::fill(first, first + spec.n, value); };
    const double tiny = spec.a == Dtype::f16 ? 0x1p-17 : 0x1p-60, large = spec.a == Dtype::f16 ? 0x1p13 : 0x1p100;
    if (draw.special == kTiny || draw.special == kLarge)
      for (int64_t i = 0; i < spec.n; ++i) first[i] *= draw.special == kTiny ? tiny : large;
    if (draw.special == kAllEqual) fill(-0.5);
    if (draw.special == kAllNegative)
      for (int64_t i = 0; i < spec.n; ++i) first[i] = -std::fabs(first[i]);
    if (draw.special == kTieAtBothEnds) first[0] = first[spec.n - 1] = 5;
    if (draw.special == kInfinity) {
      fill(-INFINITY);
      first[drawn % uint64_t(spec.n)] = spec.a == Dtype::f16 ? -65504 : -3.3e38;
    }
    if (draw.special == kAllInfinite) fill(-INFINITY);
    if (draw.special == kInfinite)
      for (const uint64_t bits : {drawn, ~drawn}) first[random_bits(bits) % uint64_t(spec.n)] = INFINITY;
    if (draw.special == kInfiniteAtEnd) first[row % 2 == 0 ? spec.n - 1 : 0] = INFINITY;
    if (draw.special == kZeros) {
      fill(-1);  // the first zero has a sign, the second none: who takes them for different answers the second
      for (int64_t i = int64_t(drawn % uint64_t(std::min<int64_t>(spec.n, 5))), met = 0; i < spec.n; i += 3, ++met)
        first[i] = met == 0 || (met > 1 && random_bits(drawn + uint64_t(i)) & 1) ? -0.0 : 0.0;
    }
  }
}

/// Places of each row's largest value.
class Places final : public SweptAnswers {
 public:
  void expected(std::span<const int64_t> numbers, std::span<ExpectedOutput> outputs) override {
    for (const int64_t number : numbers) outputs[0].values.push_back({double(number), 0, 0});
  }
};

constexpr double kAboveAll = 5;

constexpr OpSweep kSweep = {
    .operand = 0,
    .numbers = [](const Spec& of) { return argmax_of(of).n; },
    .per_launch = [](const Spec& of) { return argmax_of(of).m; },
    .put =
        [](const Spec& of, std::span<const int64_t> numbers, std::vector<SweptValue>& to) {
          for (size_t row = 0; row < numbers.size(); ++row)
            to.push_back({int64_t(row) * argmax_of(of).n + numbers[row], kAboveAll});
        },
    .likely = [](const Spec& of, uint64_t drawn) { return likely_places(argmax_of(of).n, drawn); },
    .answers = [](const Spec&, const OpValues&) -> std::unique_ptr<SweptAnswers> { return std::make_unique<Places>(); },
};

ASSAY_CLONES float largest_of(const float* values, int64_t count) {
  constexpr int64_t kLanes = 64;  // the compiler makes vectors of them
  float largest[kLanes];
  std::fill(largest, largest + kLanes, -INFINITY);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      largest[lane] = values[i + lane] > largest[lane] ? values[i + lane] : largest[lane];
  for (; i < count; ++i) largest[0] = std::max(largest[0], values[i]);
  return *std::max_element(largest, largest + kLanes);
}

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  thread_local std::vector<float> a;  // kept: see vary_operands()
  for (int64_t row = 0; row < argmax_of(of).m; ++row) {
    in.decode_row(in.of(Operand::a), 0, row, a);
    const float largest = largest_of(a.data(), std::ssize(a));
    outputs[0].values.push_back({double(std::find(a.begin(), a.end(), largest) - a.begin()), 0, 0});
  }
}

/// From the end, so that the first of equal ones is met last.
long double second_opinion(const Spec& of, const OpValues& in, size_t, int64_t element) {
  const int64_t n = argmax_of(of).n;
  const Tensor& a = in.of(Operand::a);
  int64_t best = n - 1;
  for (int64_t i = n - 1; i >= 0; --i)
    if (in.decode_one(a, 0, element, i) >= in.decode_one(a, 0, element, best)) best = i;
  return static_cast<long double>(best);
}

}  // namespace

const Op kArgmax = {.name = "argmax",
                    .id = 7,
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
                    .second_opinion = second_opinion,
                    .sweep = &kSweep};

const Argmax& argmax_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kArgmax);
  return *static_cast<const Argmax*>(spec.own.get());
}

}  // namespace assay
