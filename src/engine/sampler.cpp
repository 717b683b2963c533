// Logits to the next token.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"

namespace assay {
namespace {

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
  logits_.assign(logits.begin(), logits.end());
  if (options_.repetition_penalty != 1) penalize(before);
  const Token best = greedy(logits_);
  largest_ = logits_[best];
  if (options_.temperature == 0 || !std::isfinite(largest_)) return best;
  return draw();
}

void Sampler::penalize(std::span<const Token> before) {
  const size_t window = std::min(before.size(), size_t(options_.penalty_window));
  std::vector<Token> recent(before.end() - int64_t(window), before.end());
  std::sort(recent.begin(), recent.end());
  recent.erase(std::unique(recent.begin(), recent.end()), recent.end());
  for (const Token token : recent) {
    if (token >= logits_.size()) continue;
    const double logit = logits_[token];
    logits_[token] = float(logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty);
  }
}

/// What top-k, top-p and min-p keep are the first so many of one ranking: the shortest counts. No more is ranked than
/// tells where it ends: a vocabulary of 150,000 would take longer to sort than a small model to compute.
Token Sampler::draw() {
  last_ = {-INFINITY, Token(logits_.size() - 1)};
  keep_top_k();
  if (options_.top_p == 1) keep_min_p();
  weigh();
  if (options_.top_p < 1) {  // of all, what min-p takes away as well
    keep_top_p();
    keep_min_p();
  }
  const double uniform = double(random_bits(random_bits(options_.seed) + drawn_++) >> 11) * 0x1p-53;
  const double end = uniform * kept_weight();
  double sum = 0;
  Token last = 0;
  for (size_t i = 0; i < logits_.size(); ++i) {
    if (!is_kept(i)) continue;
    last = Token(i);
    if ((sum += weights_[i]) > end) break;
  }
  return last;
}

void Sampler::weigh() {
  weights_.resize(logits_.size());
  // Of a subnormal temperature 1 / it is infinite, and 0 times that no number.
  const double scale = std::min(1 / options_.temperature, std::numeric_limits<double>::max());
  for (size_t i = 0; i < logits_.size(); ++i)
    weights_[i] = is_kept(i) ? std::exp(float((double(logits_[i]) - double(largest_)) * scale)) : 0;
}

double Sampler::kept_weight() const {
  double sum = 0;
  for (size_t i = 0; i < logits_.size(); ++i) sum += is_kept(i) ? double(weights_[i]) : 0;
  return sum;
}

void Sampler::keep_top_k() {
  const auto k = size_t(options_.top_k);
  if (k == 0 || k >= logits_.size()) return;
  candidates_.resize(logits_.size());
  for (size_t i = 0; i < logits_.size(); ++i) candidates_[i] = {logits_[i], Token(i)};
  constexpr size_t kFew = 64;  // of so many one: a heap of them is met by few others
  if (k <= candidates_.size() / kFew)
    std::partial_sort(candidates_.begin(), candidates_.begin() + options_.top_k, candidates_.end());
  else
    std::nth_element(candidates_.begin(), candidates_.begin() + options_.top_k - 1, candidates_.end());
  last_ = candidates_[k - 1];
}

void Sampler::keep_min_p() {
  if (options_.min_p == 0) return;
  const double least = double(largest_) + options_.temperature * std::log(options_.min_p);
  // Of a logit that is exactly as small as may be, each token stays.
  float bound = float(least);
  if (double(bound) < least) bound = std::nextafter(bound, INFINITY);
  last_ = std::min(last_, Candidate{bound, Token(logits_.size() - 1)});
}

/// The first of the ranking that weigh top_p of all that is kept so far, by halves: which half holds the end is known
/// by the weight of the first. Tokens that could be missing altogether do not take part.
void Sampler::keep_top_p() {
  const double whole = kept_weight(), target = options_.top_p * whole;
  const double least = (1 - options_.top_p) * whole / 2 / double(logits_.size());
  candidates_.clear();
  for (size_t i = 0; i < logits_.size(); ++i)
    if (double(weights_[i]) >= least && is_kept(i)) candidates_.push_back({logits_[i], Token(i)});
  const auto weight = [&](const Candidate& c) { return double(weights_[c.token]); };
  auto first = candidates_.begin(), end = candidates_.end();
  double before = 0;  // the weight of what is in front of `first`
  while (end - first > 1) {
    const auto middle = first + (end - first) / 2;
    std::nth_element(first, middle, end);
    double half = before;
    for (auto at = first; at != middle; ++at) half += weight(*at);
    if (half >= target)
      end = middle;
    else
      first = middle, before = half;
  }
  last_ = *first;
}

}  // namespace assay
