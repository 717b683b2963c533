// Top k: what a line of it says, its operands, its right answer.
#include "ops/top_k.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

/// The second as traces of engines have it.
constexpr OpName kNames[] = {{"top_k", ""}, {"sample_topk_fused", ""}};

constexpr OpField kFields[] = {
    {"op", "top_k", true}, {"m", kSaysSize, true}, {"n", kSaysSize, true}, {"k", "a whole number from 1 to n", true},
    {"dtA", "f32", true},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::d, Use::output, "D", false, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::a, 1}, {"n", Operand::a, 2}, {"k", Operand::d, 2}};

void interpret(const FieldReader& line, Spec& spec) {
  const TopK own{line.size("m"), line.size("n"), line.size("k"), line.dtype("dtA")};
  spec.flops = line.values("A", {own.m, own.n});
  if (own.n >= int64_t(1) << 31) line.refuse("n", "its places are 32-bit");
  if (own.k > own.n) line.refuse("k", fmt::format("a row has {} values", own.n));
  if (own.a != Dtype::f32) line.refuse("dtA");  // what is equal in fewer bits is no order
  spec.sizes = {{"m", own.m}, {"n", own.n}, {"k", own.k}};
  spec.shape = fmt::format("M:{} N:{} K:{}", own.m, own.n, own.k);
  spec.math = {{"op", std::string(kTopK.name)},
               size_field("m", own.m),
               size_field("n", own.n),
               size_field("k", own.k),
               type_field("dtA", own.a)};
  spec.own = std::make_shared<const TopK>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const TopK& spec = top_k_of(of);
  Tensor places = dense_tensor(Operand::d, Dtype::i32, 1, spec.m, spec.k);
  places.segment = 1;
  return {dense_tensor(Operand::a, spec.a, 1, spec.m, spec.n), dense_tensor(Operand::d, spec.a, 1, spec.m, spec.k),
          places};
}

enum Special { kAllEqual, kInOrder, kAgainstIt, kLowest, kZeros, kTiny, kLarge, kFewAboveOne, kFewFinite, kSpecials };

/// Rows are turned by a drawn number of places, and every 64th value or so becomes one of few: there are ties,
/// and values that only their last bit tells apart. Special:
/// one value alone; rows in order, against it, and against it near the least floats; zeros of both signs, which are
/// equal; tiny and large ones; half of the k at the end, behind all others, which are equal: once they are -Inf, as
/// where a grammar leaves few tokens.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  const TopK& spec = top_k_of(of);
  for (int64_t row = 0; row < spec.m; ++row) {
    double* const first = &varied[0][size_t(row * spec.n)];
    const uint64_t drawn = random_bits(draw.random + uint64_t(row));
    std::rotate(first, first + int64_t(drawn % uint64_t(spec.n)), first + spec.n);
    for (int64_t i = int64_t(drawn % 64); i < spec.n; i += 64)
      first[i] =
          1.9375 + double(random_bits(drawn + uint64_t(i)) % 4) / 64 + double(i / 64 % 2) * unit_roundoff(spec.a) * 2;
    const double tiny = spec.a == Dtype::f16 ? 0x1p-17 : 0x1p-60, large = spec.a == Dtype::f16 ? 0x1p13 : 0x1p100;
    for (int64_t i = 0; i < spec.n && (draw.special == kTiny || draw.special == kLarge); ++i)
      first[i] *= draw.special == kTiny ? tiny : large;
    if (draw.special == kAllEqual) std::fill(first, first + spec.n, -0.5);
    for (int64_t i = 0; i < spec.n; ++i)
      if (draw.special == kInOrder || draw.special == kAgainstIt) first[i] = double(draw.special == kInOrder ? i : -i);
    for (int64_t i = 0; i < spec.n && draw.special == kLowest; ++i) first[i] = -3e38 - double(i % 1024) * 0x1p105;
    if (draw.special == kFewAboveOne || draw.special == kFewFinite) {
      std::fill(first, first + spec.n, draw.special == kFewFinite ? -INFINITY : -0.5);
      for (int64_t i = 0; i < (spec.k + 1) / 2; ++i) first[spec.n - 1 - i * 3 % spec.n] = double(i);
    }
    for (int64_t i = 0; i < spec.n && draw.special == kZeros; ++i)
      first[i] = i == 0 || (i > 1 && random_bits(drawn + uint64_t(i)) & 1) ? -0.0 : 0.0;
  }
}

/// The largest ones of a launch's rows: above all others, and distinct in every type.
double swept_value(int64_t rank) { return 8 - double(rank) / 32; }
int64_t swept_of_row(const TopK& spec) { return std::min<int64_t>(spec.k, 64); }

/// Where all that is answered has been put there.
class Places final : public SweptAnswers {
 public:
  explicit Places(int64_t of_row) : of_row_(of_row) {}
  void expected(std::span<const int64_t> numbers, std::span<ExpectedOutput> outputs) override {
    for (size_t i = 0; i < numbers.size(); ++i) {
      outputs[0].values.push_back({swept_value(int64_t(i) % of_row_), 0, 0});
      outputs[1].values.push_back({double(numbers[i]), 0, 0});
    }
  }

 private:
  const int64_t of_row_;
};

constexpr OpSweep kSweep = {
    .operand = 0,
    .numbers = [](const Spec& of) { return top_k_of(of).n; },
    .per_launch = [](const Spec& of) { return top_k_of(of).m * swept_of_row(top_k_of(of)); },
    .put =
        [](const Spec& of, std::span<const int64_t> numbers, std::vector<SweptValue>& to) {
          const int64_t of_row = swept_of_row(top_k_of(of));
          for (int64_t i = 0; i < std::ssize(numbers); ++i)
            to.push_back({i / of_row * top_k_of(of).n + numbers[size_t(i)], swept_value(i % of_row)});
        },
    .likely = [](const Spec& of, uint64_t drawn) { return likely_places(top_k_of(of).n, drawn); },
    .answers = [](const Spec& of, const OpValues&) -> std::unique_ptr<SweptAnswers> {
      const TopK& spec = top_k_of(of);
      return swept_of_row(spec) == spec.k ? std::make_unique<Places>(spec.k) : nullptr;
    },
};

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const TopK& spec = top_k_of(of);
  std::vector<int32_t> order(size_t(spec.n));
  for (int64_t row = 0; row < spec.m; ++row) {
    const std::vector<float> a = in.row(in.of(Operand::a), 0, row);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + spec.k, order.end(), [&](int32_t left, int32_t right) {
      return a[size_t(left)] > a[size_t(right)] || (a[size_t(left)] == a[size_t(right)] && left < right);
    });
    for (int64_t i = 0; i < spec.k; ++i) {
      outputs[0].values.push_back({double(a[size_t(order[size_t(i)])]), 0, 0});
      outputs[1].values.push_back({double(order[size_t(i)]), 0, 0});
    }
  }
}

/// Who has exactly `element % k` others before it.
long double second_opinion(const Spec& of, const OpValues& in, size_t output, int64_t element) {
  const TopK& spec = top_k_of(of);
  const int64_t row = element / spec.k, rank = element % spec.k;
  std::vector<double> a;
  for (int64_t i = 0; i < spec.n; ++i) a.push_back(in.decode_one(in.of(Operand::a), 0, row, i));
  std::vector<double> sorted = a;
  std::sort(sorted.begin(), sorted.end());
  const double value = sorted[size_t(spec.n - 1 - rank)];
  if (output == 0) return value;
  int64_t equal_before = rank - (sorted.end() - std::upper_bound(sorted.begin(), sorted.end(), value));
  int64_t at = 0;
  for (;; ++at)
    if (a[size_t(at)] == value && equal_before-- == 0) return static_cast<long double>(at);
}

}  // namespace

const Op kTopK = {.name = "top_k",
                  .id = 8,
                  .names = kNames,
                  .fields = kFields,
                  .operands = kOperands,
                  .sizes = kSizes,
                  .features = {},
                  .is_product = false,
                  .interpret = interpret,
                  .tensors = tensors,
                  .specials = kSpecials,
                  .infinite_special = kFewFinite,
                  .vary = vary,
                  .expected = expected,
                  .second_opinion = second_opinion,
                  .sweep = &kSweep};

const TopK& top_k_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kTopK);
  return *static_cast<const TopK*>(spec.own.get());
}

}  // namespace assay
