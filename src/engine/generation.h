// An answer: tokens drawn one after another until something ends it.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "engine/session.h"

namespace assay {

/// Why an answer ended.
enum class Ending { end_token, stop_string, max_tokens, context_full, interrupted };
std::string_view ending_name(Ending ending);

struct GenerationOptions {
  int64_t max_tokens = -1;  // -1: until the context is full
  std::vector<std::string> stops;
  std::function<bool(Token)> ends = [](Token) { return false; };
};

/// When a token's parts ended, ns of base/clock.h. began_ns: of its pass; 0: the prompt's gave its logits.
struct TokenTimes {
  int64_t began_ns = 0, passed_ns = 0, sampled_ns = 0, decoded_ns = 0;
};

struct GenerationEvents {
  std::function<bool()> stopped = [] { return false; };
  std::function<void(Token, std::string_view)> token = [](Token, std::string_view) {};  // and the text it completes
  std::function<void(const TokenTimes&)> times = [](const TokenTimes&) {};              // of each
};

struct Generation {
  std::vector<Token> tokens;  // the end token included
  Ending ending = Ending::max_tokens;
  std::string stop, rest;                             // the stop string; text that was held back until the end
  int64_t prompt_tokens = 0;                          // that were computed …
  int64_t reused_tokens = 0;                          // … and that the session had already
  int64_t began_ns = 0, prompt_ns = 0, ended_ns = 0;  // prompt_ns: when the prompt's logits were there

  double prompt_s() const { return double(prompt_ns - began_ns) * 1e-9; }
  double decode_s() const { return double(ended_ns - prompt_ns) * 1e-9; }
};

/// Goes on from `prompt`, all of the text so far. What the session has of it is not computed again, so a chat costs its
/// new tokens. Error for an empty prompt, and what Session::append() says.
Generation generate(Session& session, Sampler& sampler, const Tokenizer& tokenizer, std::span<const Token> prompt,
                    const GenerationOptions& options, const GenerationEvents& events);

}  // namespace assay
