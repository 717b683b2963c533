// A text in work: the tokens so far, their KV cache, and the logits that follow.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "engine/step_program.h"

namespace assay {

struct SessionOptions {
  int64_t context = 0;  // positions at most; 0: what the model says, 2,048 where it does not
  int64_t chunk = 0;    // tokens of a prompt at once; 0: what suits the kernels that there are
  Dtype cache = Dtype::f32;
  bool picks = false;  // the program also says which token has the largest logit
};

/// Positions that a cache has room for once so many were needed: 256, doubled as often as that takes, at most
/// `context`.
int64_t cache_capacity(int64_t positions, int64_t context);

/// What a pass over tokens was, for those who measure: called after each.
struct PassEvent {
  const StepProgram* step = nullptr;
  int64_t position = 0, tokens = 0, logits = 0;  // before it; how many; of how many the logits were computed
  int64_t began_ns = 0, ended_ns = 0;
  std::span<const int64_t> ends;  // of each op, where stamps were asked for
  bool is_first = false;          // of this step
  bool decodes = false;           // Session::decodes at that time
};

class Session {
 public:
  /// The binder outlives it, and is this session's alone. Binds the program for one token.
  Session(LoadedModel& model, Device& device, StepBinder& binder, const SessionOptions& options);

  const std::vector<Token>& tokens() const { return tokens_; }
  int64_t position() const { return int64_t(tokens_.size()); }
  int64_t context() const { return context_; }
  /// How a single token is computed now.
  const StepProgram& one_token() { return step(1, 1); }
  /// Of the last token appended, the place of its largest logit; of equal ones the first. Only with options.picks.
  Token picked() const;
  bool picks() const { return options_.picks; }
  int64_t cache_bytes() const { return capacity_ * position_bytes_; }

  /// Appends the tokens; the logits of the last `wanted` of them, rows of the vocabulary's size, true until the next
  /// call. Error where the context or memory is too small, where a logit is NaN or infinite, and for a token that there
  /// is not. Where `stopped` says yes, what was not begun is left out and nothing comes back.
  std::span<const float> append(std::span<const Token> tokens, int64_t wanted = 1);
  /// Compiles what `append` of these tokens lacks, for who times it; `stopped` ends it early. The first run of a new
  /// assay waits here. Errors of append's.
  void build_kernels(std::span<const Token> tokens);
  /// So many tokens more, without computing them: those that are there come again and again, with the rows of the cache
  /// that they left. Wrong as an answer, and read as fast as any: for who measures what comes behind.
  void repeat(int64_t count);
  /// Forgets all but the first so many tokens.
  void truncate(int64_t position);

  std::function<bool()> stopped = [] { return false; };  // asked before each piece
  std::function<void(const PassEvent&)> passed;
  bool stamps = false;   // PassEvent::ends are wanted
  bool decodes = false;  // what is appended was drawn, not given: told to who measures

 private:
  void check_room(std::span<const Token> tokens) const;
  void grow_cache(int64_t positions);
  StepProgram& step(int64_t tokens, int64_t logits);
  PassRequest request(int64_t tokens, int64_t logits) const {
    return {
        .tokens = tokens, .logits = logits, .capacity = capacity_, .cache = options_.cache, .picks = options_.picks};
  }
  void run(std::span<const Token> tokens, int64_t logits);
  void check_logits() const;

  LoadedModel& model_;
  Device& device_;
  StepBinder& binder_;
  const SessionOptions options_;
  int64_t chunk_ = 0, context_ = 0, capacity_ = 0, position_bytes_ = 0;
  std::vector<Token> tokens_;
  std::map<std::pair<int64_t, int64_t>, StepProgram> steps_;  // by tokens and logits
  std::set<std::pair<int64_t, int64_t>> seen_;                // of them, that ran
  std::vector<int64_t> ends_;
  std::vector<float> logits_;
  int32_t picked_ = -1;
};

/// What append() looks for in the logits: of a token's time no small part.
bool all_finite(std::span<const float> values);

}  // namespace assay
