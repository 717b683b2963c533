// Attention: what a line of it says, its operands, its right answer.
#include "ops/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clones.h"
#include "base/error.h"
#include "ops/attention_lengths.h"
#include "ops/attention_scores.h"
#include "ops/variation.h"
#include "spec/field_reader.h"

namespace assay {
namespace {

constexpr double kRoundoff = 0x1p-24;  // of f32
constexpr double kMostScale = 64;  // times √head_size, which is 1 in models: beyond, exponentials of scores overflow
constexpr double kMostFactor = 1024;                  // of queries on special values: F16 holds them
constexpr double kAlone = 2'000, kMostAlone = 8'192;  // deviation of scores that are all there is; of their queries
constexpr double kVast = 0x1p15;                      // a head's largest query where scores are vast: F16 holds it
constexpr double kMostFirstOrder = 0.1;               // error of a weight, relative, beyond which its square counts
constexpr double kOfOneScore = 8;                     // times the error that is usual in a score: the most of it

/// The second as traces of engines have it.
constexpr OpName kNames[] = {{"attention", ""}, {"sdpa", ""}};

constexpr OpField kFields[] = {
    {"op", "attention", true},
    {"m", kSaysSize, true},
    {"heads", kSaysSize, true},
    {"kv_heads", kSaysSize, true},
    {"head_size", kSaysSize, true},
    {"length", "a whole number from m to capacity", true},
    {"capacity", "a whole number of at least length", true},
    {"dtA", kSaysActivationType, true},
    {"dtCache", kSaysCacheType, true},
    {"dtD", kSaysActivationType, true},
    {"scale", kSaysFactor, true},
};

constexpr OpOperand kOperands[] = {
    {Operand::a, Use::varied, "A", true, false},
    {Operand::cache, Use::weight, "cache", true, false},
    {Operand::d, Use::output, "D", true, false},
    {Operand::index, Use::varied, "position", false, false},
};

constexpr OpSize kSizes[] = {{"m", Operand::d, 1},
                             {"n", Operand::d, 2},
                             {"kv_heads", Operand::cache, 0},
                             {"capacity", Operand::cache, 1},
                             {"head_size", Operand::cache, 2}};

constexpr OpNumber kNumbers[] = {{"scale"}};

Attention read(const FieldReader& line) {
  Attention own;
  own.m = line.size("m"), own.heads = line.size("heads"), own.kv_heads = line.size("kv_heads");
  own.size = line.size("head_size"), own.length = line.size("length"), own.capacity = line.size("capacity");
  own.a = line.dtype("dtA"), own.cache = cache_type(line, own.size), own.d = line.dtype("dtD");
  own.scale = line.factor("scale", 1);
  if (const double root = std::sqrt(double(own.size)); std::fabs(own.scale) > kMostScale / root)
    line.refuse("scale", fmt::format("scores would overflow: with heads of {} it must be {:.4g} at most", own.size,
                                     kMostScale / root));
  if (own.heads % own.kv_heads != 0) line.refuse("heads", "it must be a multiple of kv_heads");
  if (own.length < own.m) line.refuse("length", "it must be at least m: the m rows stand in the cache already");
  if (own.length > own.capacity) line.refuse("length", fmt::format("the cache holds {}", own.capacity));
  if (own.capacity >= int64_t(1) << 31) line.refuse("capacity", "positions are 32-bit");
  return own;
}

/// Positions that the last row sees are at most so many fewer than `length`: what is drawn must not show in a time.
int64_t fewer_positions(const Attention& spec) {
  return std::clamp<int64_t>(spec.length / 64, 0, std::min<int64_t>(7, spec.length - spec.m));
}

void interpret(const FieldReader& line, Spec& spec) {
  const Attention own = read(line);
  line.values("the cache", {own.kv_heads, own.capacity, own.size});
  spec.flops = 4 * line.values("the scores", {own.m, own.heads, own.size, own.length});
  spec.sizes = {{"m", own.m},
                {"n", own.heads * own.size},
                {"kv_heads", own.kv_heads},
                {"capacity", own.capacity},
                {"head_size", own.size},
                {"length", own.length}};
  spec.params = {{kAttentionScale, own.scale}};
  spec.shape = fmt::format("M:{} heads:{}/{}x{} L:{}", own.m, own.heads, own.kv_heads, own.size, own.length);
  spec.math = {{"op", std::string(kAttention.name)},   size_field("m", own.m),
               size_field("heads", own.heads),         size_field("kv_heads", own.kv_heads),
               size_field("head_size", own.size),      size_field("length", own.length),
               size_field("capacity", own.capacity),   type_field("dtA", own.a),
               type_field("dtCache", own.cache),       type_field("dtD", own.d),
               {"scale", fmt::format("{}", own.scale)}};
  spec.own = std::make_shared<const Attention>(own);
}

std::vector<Tensor> tensors(const Spec& of) {
  const Attention& spec = attention_of(of);
  Tensor keys = dense_tensor(Operand::cache, spec.cache, spec.kv_heads, spec.capacity, spec.size);
  keys.touched = dtype_bytes(spec.cache, spec.kv_heads * (spec.length - fewer_positions(spec)) * spec.size);
  Tensor values = keys;
  values.segment = 1;
  return {dense_tensor(Operand::a, spec.a, 1, spec.m, spec.heads * spec.size), keys, values,
          dense_tensor(Operand::d, spec.d, 1, spec.m, spec.heads * spec.size),
          dense_tensor(Operand::index, Dtype::i32, 1, 1, 1)};
}

enum Special {
  kLargeScores,
  kOneDominates,
  kZeroQueries,
  kSmallQueries,
  kSpreadScores,
  kVastScores,
  kAloneAndLarge,
  kAloneAndOpposite,
  kFirstPosition,
  kAnyPosition,
  kOtherPosition,
  kSpecials
};

constexpr int64_t kBlock = 64, kResidues = 64, kNearBlocks = 32;  // swept launches

int64_t positions(const Spec& of) { return attention_of(of).length - attention_of(of).m + 1; }

/// Lengths of each remainder by 64, after fewer blocks rather than more; then near the ends of larger blocks. Kernels
/// work by blocks, and err where the last one is not whole.
std::vector<int64_t> likely_positions(const Spec& of, uint64_t drawn) {
  const Attention& spec = attention_of(of);
  std::vector<int64_t> all = edges(positions(of));
  for (int64_t i = 0; i < kResidues + kNearBlocks; ++i) {
    const uint64_t bits = random_bits(drawn + uint64_t(i));
    const auto few = int64_t(1 / (1 - double(bits >> 11) * 0x1p-53)) - 1;  // more than b with probability 1/(b+1)
    int64_t length = few % 64 * kBlock + 1 + i;
    if (i >= kResidues) {
      const int64_t block = int64_t(128) << bits % 4;
      length = (1 + few % 8) * block + int64_t(bits >> 8 & 3) - 2;
    }
    if (length >= spec.m && length <= spec.length) all.push_back(length - spec.m);
  }
  return all;
}

constexpr OpSweep kSweep = {
    .operand = 1,
    .numbers = positions,
    .per_launch = [](const Spec&) { return int64_t(1); },
    .put =
        [](const Spec&, std::span<const int64_t> numbers, std::vector<SweptValue>& to) {
          to.push_back({0, double(numbers[0])});
        },
    .likely = likely_positions,
    .answers = attention_lengths,
};

/// Each head's query so large that its scores' standard deviation is this one, whatever was drawn.
void spread_scores(const Attention& spec, double deviation, double most, std::span<double> queries) {
  constexpr double kKeys = 0.9;  // root mean square
  for (auto head = queries.begin(); head != queries.end(); head += spec.size) {
    double squares = 0;
    for (int64_t i = 0; i < spec.size; ++i) squares += head[i] * head[i];
    const double now = std::fabs(spec.scale) * std::sqrt(squares) * kKeys;
    for (int64_t i = 0; i < spec.size && now > 0; ++i) head[i] *= std::min(deviation / now, most);
  }
}

/// Each head's query so large that its largest value is `largest`.
void raise_to(const Attention& spec, double largest, std::span<double> queries) {
  for (auto head = queries.begin(); head != queries.end(); head += spec.size) {
    double now = 0;
    for (int64_t i = 0; i < spec.size; ++i) now = std::max(now, std::fabs(head[i]));
    for (int64_t i = 0; i < spec.size && now > 0; ++i) head[i] *= largest / now;
  }
}

/// Special: scores near 1,000, whose exponentials overflow if the largest is not taken off; twice that, where one key
/// has all the weight; zeros, where all have the same; small ones, where a little more or less; scores so spread that
/// many small weights are a part of the sum (among some hundred keys the largest score is then 10 to 13 above the
/// middle, and the keys below the middle still count in the bound); scores of tens of thousands, of which one has all
/// the weight: who caps them has several that are equal; and positions far below `length`, with which an engine runs
/// the same program. At the first one also large scores and their opposites: a first row's only score is
/// then far below zero in one of both, where who begins with a largest score of 0, or of -300, divides zero by zero.
void vary(const Spec& of, const OpDraw& draw, std::span<std::vector<double>> varied) {
  const Attention& spec = attention_of(of);
  const bool is_alone = draw.special == kAloneAndLarge || draw.special == kAloneAndOpposite;
  constexpr uint64_t kOfBoth = 0x9e3779b97f4a7c15;
  vary_signs_and_pieces(is_alone ? kOfBoth : draw.random, spec.size, varied[0]);
  constexpr double kTypicalProduct = 1.3;  // of a query's and a key's values, each value's share of √size
  const double score = spec.scale * std::sqrt(double(spec.size)) * kTypicalProduct;
  const double factor = draw.special == kLargeScores && score != 0    ? 250 / score
                        : draw.special == kOneDominates && score != 0 ? 500 / score
                        : draw.special == kAloneAndOpposite           ? -1
                        : draw.special == kZeroQueries                ? 0
                        : draw.special == kSmallQueries               ? 0x1p-6
                                                                      : 1;
  for (double& value : varied[0]) value *= std::clamp(factor, -kMostFactor, kMostFactor);
  if (draw.special == kSpreadScores) spread_scores(spec, 4, kMostFactor, varied[0]);
  if (draw.special == kVastScores) raise_to(spec, kVast, varied[0]);
  if (is_alone) spread_scores(spec, kAlone, kMostAlone, varied[0]);
  const int64_t fewer = fewer_positions(spec);
  const int64_t last = spec.length - spec.m;
  varied[1][0] = double(last - int64_t(random_bits(draw.random) % uint64_t(fewer + 1)));
  if (draw.special == kFirstPosition || is_alone) varied[1][0] = 0;
  if (draw.special <= kFirstPosition) return;
  auto position = int64_t(random_bits(draw.random) % uint64_t(last + 1));
  // An odd number of rows: who reads on to a whole number of anything reads one row too many.
  if (draw.special == kOtherPosition && (position + spec.m) % 2 == 0) position += position > 0 ? -1 : last > 0 ? 1 : 0;
  varied[1][0] = double(position);
}

/// Adds each row of `values`, times its weight: the products, their magnitudes times the weight's error, their squares.
ASSAY_CLONES void add_weighed(const double* weights, const double* of_weights, const float* values, int64_t size,
                              int64_t count, double* sums, double* errors, double* squares) {
  for (int64_t j = 0; j < count; ++j)
    for (int64_t i = 0; i < size; ++i) {
      const double term = weights[j] * double(values[j * size + i]);
      sums[i] += term;
      errors[i] += std::fabs(term) * of_weights[j];
      squares[i] += term * term;
    }
}

/// One query against the first `count` keys: scores with the bound of each, then what they weigh.
struct Weighed {
  std::vector<double> weights, errors;  // relative, of a weight
  std::vector<double> squares;          // of what each score adds up
  double error = 0;                     // of their sum
  std::vector<double> gained;           // by a weight at most, where errors of scores do not just add up; else empty
};

Weighed weigh(const Attention& spec, std::span<const float> query, std::span<const float> keys, int64_t count,
              double rounding) {
  Weighed w;
  const double product_error = attention_product_error(spec), sums = attention_sum_error(count);
  const std::vector<double> q(query.begin(), query.end());
  std::vector<AttentionScore> scores(static_cast<size_t>(count));
  multiply_keys(q.data(), keys.data(), spec.size, count, scores.data());
  for (const AttentionScore& score : scores) {
    w.squares.push_back(score.square * spec.scale * spec.scale);
    w.weights.push_back(score.sum * spec.scale);
    w.errors.push_back(score.magnitude * product_error + std::fabs(score.sum * spec.scale) * kRoundoff);
  }
  const size_t best = size_t(std::max_element(w.weights.begin(), w.weights.end()) - w.weights.begin());
  const double largest = w.weights[best];
  if (*std::max_element(w.errors.begin(), w.errors.end()) > kMostFirstOrder) {
    const auto error_of = [&](size_t j) {
      return kOfOneScore * w.errors[j] + scores[j].magnitude * std::fabs(spec.scale) * rounding;
    };
    for (size_t j = 0; j < scores.size(); ++j) {
      const double below = w.weights[j] - largest, error = error_of(j) + error_of(best) - below * kRoundoff;
      w.gained.push_back(j == best ? 0 : std::exp(below + error) - std::exp(below));
    }
    std::fill(w.errors.begin(), w.errors.end(), 0);
  }
  double sum = 0;
  for (size_t j = 0; j < w.weights.size(); ++j) {
    w.errors[j] += sums + (w.gained.empty() ? std::fabs(w.weights[j] - largest) * kRoundoff : 0);
    w.weights[j] = std::exp(w.weights[j] - largest);
    sum += w.weights[j];
  }
  for (size_t j = 0; j < w.weights.size(); ++j) w.error += (w.weights[j] /= sum) * w.errors[j];
  return w;
}

/// Of output i: with a weight e^(s+ε) for each e^s, |ε| <= δ, the mean of values moves by no more than
/// Σ e^s (e^δ - 1) |value - mean| over the sum of weights; and it stays among the values. Only differences of scores
/// count: the largest one's error is taken as the others'. So what it is to be above all others stays as exact.
double moved(const Weighed& w, std::span<const float> values, size_t size, size_t i, double mean, double largest) {
  double sum = 0;
  for (size_t j = 0; j < w.gained.size(); ++j)
    if (w.gained[j] > 0) sum += w.gained[j] * std::fabs(double(values[j * size + i]) - mean);
  return std::min(sum, 2 * largest);
}

/// Of output i by rounding each probability once, and each value of the query: that shifts a score by so much, and
/// with it the weight of one key against all others. 0 where a key has all the weight: no rounding shows there.
double rounding_variance(const Weighed& w, std::span<const float> values, size_t size, size_t i, double sum,
                         double rounding, double tiny) {
  constexpr double kUniform = 4;  // relative to u²: 1/3 of it just above a power of two, half that as values come
  constexpr double kAllWeight = 1 - 0x1p-10;
  if (!w.gained.empty() || *std::max_element(w.weights.begin(), w.weights.end()) > kAllWeight) return 0;
  double variance = 0;
  for (size_t j = 0; j < w.weights.size(); ++j) {
    const double value = double(values[j * size + i]), square = w.weights[j] * w.weights[j];
    variance += square * (value * value + w.squares[j] * (value - sum) * (value - sum));
  }
  return rounding * rounding / kUniform * variance + tiny * tiny;
}

void expected(const Spec& of, const OpValues& in, std::span<ExpectedOutput> outputs) {
  const Attention& spec = attention_of(of);
  const auto size = size_t(spec.size), group = size_t(spec.heads / spec.kv_heads);
  const int64_t position = in.index(0);
  std::vector<std::vector<float>> q;
  for (int64_t row = 0; row < spec.m; ++row) q.push_back(in.row(in.of(Operand::a), 0, row));
  std::vector<ExpectedValue>& d = outputs[0].values;
  d.resize(size_t(spec.m * spec.heads) * size);
  std::vector<float> keys, values, row_of;
  std::vector<double> sums(size), errors(size), squares(size);
  for (int64_t kv = 0; kv < spec.kv_heads; ++kv) {
    keys.clear(), values.clear();
    for (int64_t j = 0; j < position + spec.m; ++j) {
      in.decode_row(in.of(Operand::cache, 0), kv, j, row_of);
      keys.insert(keys.end(), row_of.begin(), row_of.end());
      in.decode_row(in.of(Operand::cache, 1), kv, j, row_of);
      values.insert(values.end(), row_of.begin(), row_of.end());
    }
    double largest = 0;
    for (const float value : values) largest = std::max(largest, std::fabs(double(value)));
    for (size_t row = 0; row < size_t(spec.m); ++row)
      for (size_t head = size_t(kv) * group; head < size_t(kv + 1) * group; ++head) {
        const Weighed w =
            weigh(spec, std::span(q[row]).subspan(head * size, size), keys, position + int64_t(row) + 1, in.rounding);
        for (std::vector<double>* of_value : {&sums, &errors, &squares})
          std::fill(of_value->begin(), of_value->end(), 0);
        add_weighed(w.weights.data(), w.errors.data(), values.data(), spec.size, std::ssize(w.weights), sums.data(),
                    errors.data(), squares.data());
        for (size_t i = 0; i < size; ++i) {
          const double tiny = kTinyWeight * largest * double(w.weights.size()),
                       rounded = kProbabilityDeviations * in.rounding * std::sqrt(squares[i]) + tiny +
                                 moved(w, values, size, i, sums[i], largest);
          d[(row * size_t(spec.heads) + head) * size + i] = {
              sums[i], unit_roundoff(spec.d) * std::fabs(sums[i]) + rounded, errors[i] + std::fabs(sums[i]) * w.error,
              in.rounding > 0 ? rounding_variance(w, values, size, i, sums[i], in.rounding, tiny) : 0};
        }
      }
  }
}

/// From the last key to the first, each score to its end before the next, in long double.
long double second_opinion(const Spec& of, const OpValues& in, size_t, int64_t element) {
  const Attention& spec = attention_of(of);
  const int64_t columns = spec.heads * spec.size, row = element / columns, column = element % columns;
  const int64_t head = column / spec.size, kv = head * spec.kv_heads / spec.heads, i = column % spec.size;
  const int64_t last = in.index(0) + row;
  std::vector<long double> scores;
  for (int64_t j = last; j >= 0; --j) {
    long double score = 0;
    for (int64_t c = spec.size - 1; c >= 0; --c)
      score += static_cast<long double>(in.decode_one(in.of(Operand::a), 0, row, head * spec.size + c)) *
               static_cast<long double>(in.decode_one(in.of(Operand::cache, 0), kv, j, c));
    scores.push_back(score * static_cast<long double>(spec.scale));
  }
  const long double largest = *std::max_element(scores.begin(), scores.end());
  long double sum = 0, weighed = 0;
  for (int64_t j = last; j >= 0; --j) {
    const long double weight = std::exp(scores[size_t(last - j)] - largest);
    sum += weight;
    weighed += weight * static_cast<long double>(in.decode_one(in.of(Operand::cache, 1), kv, j, i));
  }
  return weighed / sum;
}

}  // namespace

const Op kAttention = {.name = "attention",
                       .id = 6,
                       .names = kNames,
                       .fields = kFields,
                       .operands = kOperands,
                       .sizes = kSizes,
                       .features = {},
                       .is_product = false,
                       .numbers = kNumbers,
                       .interpret = interpret,
                       .tensors = tensors,
                       .specials = kSpecials,
                       .vary = vary,
                       .expected = expected,
                       .second_opinion = second_opinion,
                       .sweep = &kSweep};

const Attention& attention_of(const Spec& spec) {
  ASSAY_CHECK(spec.op == &kAttention);
  return *static_cast<const Attention*>(spec.own.get());
}

}  // namespace assay
