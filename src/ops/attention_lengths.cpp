// Attention at one length after another: what a key more adds.
#include "ops/attention_lengths.h"

#include <algorithm>
#include <cmath>

#include "base/clones.h"
#include "ops/attention_scores.h"

namespace assay {
namespace {

constexpr double kRoundoff = 0x1p-24;              // of f32
constexpr int64_t kMostValues = int64_t(1) << 24;  // of a cache, decoded

/// Of one query, what the keys so far add up to; all relative to the exponential of the largest score.
struct Running {
  int64_t count = 0;
  double largest = -INFINITY, of_value = 0;                     // score; |value|
  double weights = 0, errors = 0;                               // Σ w, Σ w · error
  std::vector<double> sums, magnitudes, value_errors, squares;  // of each output: Σ wv, Σ |wv|, Σ |wv| · error, Σ (wv)²
};

ASSAY_CLONES void scale(std::vector<double>& of, double factor) {
  double* const values = of.data();
  for (size_t i = 0; i < of.size(); ++i) values[i] *= factor;
}

/// One value's share, and the largest of its magnitudes.
ASSAY_CLONES double add(Running& to, const float* value, int64_t size, double weight, double error) {
  double *const sums = to.sums.data(), *const magnitudes = to.magnitudes.data(), *const errors = to.value_errors.data(),
                *const squares = to.squares.data();
  double largest = 0;
  for (int64_t i = 0; i < size; ++i) {
    const double term = weight * double(value[i]), magnitude = std::fabs(term);
    sums[i] += term, magnitudes[i] += magnitude, errors[i] += magnitude * error, squares[i] += term * term;
    largest = std::max(largest, std::fabs(double(value[i])));
  }
  return largest;
}

class Lengths final : public SweptAnswers {
 public:
  Lengths(const Spec& of, const OpValues& in) : spec_(attention_of(of)), rounding_(in.rounding) {
    const int64_t size = spec_.size, group = spec_.heads / spec_.kv_heads;
    std::vector<std::vector<float>> keys(static_cast<size_t>(spec_.kv_heads));
    values_.resize(keys.size());
    std::vector<float> row_of;
    for (int64_t kv = 0; kv < spec_.kv_heads; ++kv)
      for (int64_t j = 0; j < spec_.length; ++j)
        for (uint32_t part = 0; part < 2; ++part) {
          std::vector<float>& to = part == 0 ? keys[size_t(kv)] : values_[size_t(kv)];
          in.decode_row(in.of(Operand::cache, part), kv, j, row_of);
          to.insert(to.end(), row_of.begin(), row_of.end());
        }
    scores_.resize(size_t(spec_.m * spec_.heads * spec_.length));
    running_.resize(size_t(spec_.m * spec_.heads));
    for (int64_t row = 0; row < spec_.m; ++row) {
      const std::vector<float> query = in.row(in.of(Operand::a), 0, row);
      for (int64_t head = 0; head < spec_.heads; ++head) {
        const std::vector<double> q(query.begin() + head * size, query.begin() + (head + 1) * size);
        multiply_keys(q.data(), keys[size_t(head / group)].data(), size, spec_.length,
                      &scores_[size_t((row * spec_.heads + head) * spec_.length)]);
      }
    }
  }

  void expected(std::span<const int64_t> numbers, std::span<ExpectedOutput> outputs) override {
    std::vector<ExpectedValue>& d = outputs[0].values;
    d.resize(size_t(spec_.m * spec_.heads * spec_.size));
    for (int64_t query = 0; query < spec_.m * spec_.heads; ++query) {
      Running& running = running_[size_t(query)];
      const int64_t count = numbers[0] + query / spec_.heads + 1;
      if (running.count > count) running = Running();
      while (running.count < count) add_key(query, running);
      give(running, &d[size_t(query * spec_.size)]);
    }
  }

 private:
  void add_key(int64_t query, Running& to) const {
    const auto size = size_t(spec_.size);
    if (to.sums.empty())
      for (std::vector<double>* of : {&to.sums, &to.magnitudes, &to.value_errors, &to.squares}) of->assign(size, 0);
    const int64_t key = to.count++;
    const AttentionScore& of = scores_[size_t(query * spec_.length + key)];
    const double score = of.sum * spec_.scale;
    if (score > to.largest) {
      const double shrink = std::exp(to.largest - score);
      to.largest = score;
      to.weights *= shrink, to.errors *= shrink;
      for (std::vector<double>* values : {&to.sums, &to.magnitudes, &to.value_errors}) scale(*values, shrink);
      scale(to.squares, shrink * shrink);
    }
    // What is left of the error depends on the largest score and on the count, alike for all keys: give() adds it.
    const double error = of.magnitude * attention_product_error(spec_) + (std::fabs(score) - score) * kRoundoff;
    const double weight = std::exp(score - to.largest);
    to.weights += weight, to.errors += weight * error;
    const int64_t kv = query % spec_.heads * spec_.kv_heads / spec_.heads;
    to.of_value = std::max(to.of_value, add(to, &values_[size_t(kv)][size_t(key) * size], spec_.size, weight, error));
  }

  void give(const Running& of, ExpectedValue* to) const {
    const double alike = attention_sum_error(of.count) + of.largest * kRoundoff, share = 1 / of.weights;
    const double error = of.errors * share + alike, tiny = kTinyWeight * of.of_value * double(of.count);
    for (size_t i = 0; i < size_t(spec_.size); ++i) {
      const double sum = of.sums[i] * share;
      const double rounded = kProbabilityDeviations * rounding_ * std::sqrt(of.squares[i]) * share + tiny;
      to[i] = {sum, unit_roundoff(spec_.d) * std::fabs(sum) + rounded,
               (of.value_errors[i] + alike * of.magnitudes[i]) * share + std::fabs(sum) * error};
    }
  }

  const Attention spec_;
  const double rounding_;
  std::vector<std::vector<float>> values_;  // of each head of the cache
  std::vector<AttentionScore> scores_;      // [row][head][key]
  std::vector<Running> running_;            // [row][head]
};

}  // namespace

std::unique_ptr<SweptAnswers> attention_lengths(const Spec& of, const OpValues& in) {
  const Attention& spec = attention_of(of);
  if (2 * spec.kv_heads * spec.length * spec.size > kMostValues || spec.m * spec.heads * spec.length > kMostValues)
    return nullptr;
  return std::make_unique<Lengths>(of, in);
}

}  // namespace assay
