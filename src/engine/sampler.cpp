// Logits to the next token.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace assay {
namespace {

/// Larger logits first; the order is total, so that the same logits always give the same token.
constexpr auto kLarger = [](const auto& a, const auto& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
};

void check_range(const char* name, double value, double least, double most) {
  if (!(value >= least && value <= most)) fail("{} {}: {} to {} is what makes sense", name, value, least, most);
}

Token greedy(std::span<const float> logits) {
  size_t best = 0;
  bool has_nan = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    has_nan |= logits[i] != logits[i];
    if (logits[i] > logits[best]) best = i;
  }
  if (has_nan) fail("a logit is NaN");
  return Token(best);
}

}  // namespace

void SamplingOptions::check() const {
  check_range("--temperature", temperature, 0, 100);
  check_range("--top-k", double(top_k), 0, 1e9);
  check_range("--top-p", top_p, 0, 1);
  check_range("--min-p", min_p, 0, 1);
  check_range("--repetition-penalty", repetition_penalty, 0.01, 100);
  check_range("--penalty-window", double(penalty_window), 0, 1e9);
}

Sampler::Sampler(const SamplingOptions& options) : options_(options) { options_.check(); }

Token Sampler::sample(std::span<const float> logits, std::span<const Token> before) {
  ASSAY_CHECK(!logits.empty());
  if (is_greedy()) return greedy(logits);
  candidates_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != logits[i]) fail("a logit is NaN");
    candidates_[i] = {double(logits[i]), Token(i)};
  }
  if (options_.repetition_penalty != 1) penalize(before);
  largest_ = std::min_element(candidates_.begin(), candidates_.end(), kLarger)->logit;
  if (options_.temperature == 0) return std::min_element(candidates_.begin(), candidates_.end(), kLarger)->token;
  sorted_ = 0;
  return draw();
}

void Sampler::penalize(std::span<const Token> before) {
  const size_t window = std::min(before.size(), size_t(options_.penalty_window));
  std::vector<Token> recent(before.end() - int64_t(window), before.end());
  std::sort(recent.begin(), recent.end());
  recent.erase(std::unique(recent.begin(), recent.end()), recent.end());
  for (const Token token : recent) {
    if (token >= candidates_.size()) continue;
    double& logit = candidates_[token].logit;
    logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
}

void Sampler::keep_top_k() {
  if (options_.top_k == 0 || size_t(options_.top_k) >= candidates_.size()) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + options_.top_k, candidates_.end(), kLarger);
  candidates_.resize(size_t(options_.top_k));
}

void Sampler::keep_min_p() {
  if (options_.min_p == 0) return;
  const double least = largest_ + options_.temperature * std::log(options_.min_p);
  std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < least; });
}

/// The candidate of that rank. Sorts as far as asked for: a draw mostly ends among the first hundred.
const Sampler::Candidate& Sampler::ranked(size_t place) {
  while (place >= sorted_) {
    const auto begin = candidates_.begin() + int64_t(sorted_);
    const size_t more = std::min(candidates_.size() - sorted_, std::max<size_t>(128, 3 * sorted_));
    std::partial_sort(begin, begin + int64_t(more), candidates_.end(), kLarger);
    sorted_ += more;
  }
  return candidates_[place];
}

double Sampler::weight(const Candidate& c) const { return std::exp((c.logit - largest_) / options_.temperature); }

/// What top-k, top-p and min-p keep are the first so many of one ranking: the shortest counts.
Token Sampler::draw() {
  keep_top_k();
  double whole = 0;  // what top-p is a part of: what min-p takes away counts, too
  for (const Candidate& candidate : candidates_) whole += weight(candidate);
  keep_min_p();
  double total = 0, before = 0;
  size_t count = 0;
  while (count < candidates_.size() && (count == 0 || options_.top_p == 1 || total < options_.top_p * whole)) {
    if (options_.top_p == 1 && options_.min_p == 0) {
      total = whole, count = candidates_.size();
      break;
    }
    total += weight(ranked(count++));
  }
  const double uniform = double(random_bits(random_bits(options_.seed) + drawn_++) >> 11) * 0x1p-53;
  for (size_t place = 0; place < count; ++place)
    if ((before += weight(ranked(place))) > uniform * total) return ranked(place).token;
  return ranked(count - 1).token;
}

}  // namespace assay
