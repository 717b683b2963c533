// Logits to the next token: greedy or drawn, reproducible by seed.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "model/vocabulary.h"

namespace assay {

/// The steps in their order: repetition penalty, temperature, top-k, top-p, min-p, one draw.
struct SamplingOptions {
  double temperature = 0;         // 0: greedy, the largest logit
  int64_t top_k = 0;              // so many of the largest stay; 0: all
  double top_p = 1;               // the fewest of the most probable that reach it together stay
  double min_p = 0;               // what has less than so much of the most probable one's goes
  double repetition_penalty = 1;  // logits of recent tokens: divided by it above 0, multiplied below
  int64_t penalty_window = 64;    // how many tokens are recent
  uint64_t seed = 1;

  /// Error "--top-p 3: …" for a value out of range.
  void check() const;
};

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);

  /// Whether the next token is that of the largest logit, whatever came before: an engine's op finds it.
  bool is_greedy() const {
    return options_.temperature == 0 && (options_.repetition_penalty == 1 || options_.penalty_window == 0);
  }

  /// The next token after `before`. Of equal logits the lower token counts as the larger. Error where a logit is NaN.
  Token sample(std::span<const float> logits, std::span<const Token> before);

 private:
  struct Candidate {
    double logit;
    Token token;
  };
  void penalize(std::span<const Token> before);
  void keep_top_k();
  void keep_min_p();
  const Candidate& ranked(size_t place);
  double weight(const Candidate& candidate) const;
  Token draw();

  const SamplingOptions options_;
  uint64_t drawn_ = 0;
  std::vector<Candidate> candidates_;
  size_t sorted_ = 0;  // so many of the front are in their order
  double largest_ = 0;
};

}  // namespace assay
