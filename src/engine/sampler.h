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
    float logit;
    Token token;
    /// One order for all: larger logits first, of equal ones the lower token.
    bool operator<(const Candidate& other) const {
      return logit != other.logit ? logit > other.logit : token < other.token;
    }
  };
  void penalize(std::span<const Token> before);
  Token draw();
  void weigh();
  void keep_top_k();
  void keep_min_p();
  void keep_top_p();
  bool is_kept(size_t token) const { return !(last_ < Candidate{logits_[token], Token(token)}); }
  double kept_weight() const;

  const SamplingOptions options_;
  uint64_t drawn_ = 0;
  // By token; weights are parts of the largest one's.
  std::vector<float> logits_, weights_;
  float largest_ = 0;
  Candidate last_{};  // what is drawn from ends with it
  std::vector<Candidate> candidates_;
};

}  // namespace assay
