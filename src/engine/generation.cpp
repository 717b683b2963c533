// An answer.
#include "engine/generation.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "engine/stop_strings.h"
#include "model/token_decoder.h"

namespace assay {
namespace {

/// Leaves what both have in common, at most all but one token of the prompt: its logits are needed.
int64_t keep_common(Session& session, std::span<const Token> prompt) {
  const auto end = std::mismatch(session.tokens().begin(), session.tokens().end(), prompt.begin(), prompt.end()).first;
  const int64_t common = std::min(end - session.tokens().begin(), std::ssize(prompt) - 1);
  session.truncate(common);
  return common;
}

}  // namespace

std::string_view ending_name(Ending ending) {
  constexpr std::string_view kNames[] = {"end_token", "stop_string", "max_tokens", "context_full", "interrupted"};
  return kNames[size_t(ending)];
}

Generation generate(Session& session, Sampler& sampler, const Tokenizer& tokenizer, std::span<const Token> prompt,
                    const GenerationOptions& options, const GenerationEvents& events) {
  if (prompt.empty()) fail("the prompt is empty, and the model puts no token before a text; give it some text");
  Generation g;
  StopStrings stops(options.stops);
  TokenDecoder decoder(tokenizer, {.special = false, .display = true});
  g.reused_tokens = keep_common(session, prompt);
  g.prompt_tokens = std::ssize(prompt) - g.reused_tokens;
  session.stopped = events.stopped;
  session.build_kernels(prompt.subspan(size_t(g.reused_tokens)));
  g.began_ns = now_ns();
  session.decodes = false;
  std::span<const float> logits = session.append(prompt.subspan(size_t(g.reused_tokens)));
  g.prompt_ns = g.ended_ns = now_ns();
  const auto end = [&](Ending ending) {
    g.ending = ending;
    g.rest = stops.found().empty() ? stops.add(decoder.finish()) + stops.finish() : "";
    g.stop = stops.found();
    return g;
  };
  if (logits.empty()) {  // some pieces of the prompt were computed, or none
    g.prompt_tokens = session.position() - g.reused_tokens;
    return end(Ending::interrupted);
  }
  if (options.max_tokens == 0) return end(Ending::max_tokens);
  session.decodes = true;
  for (TokenTimes times{0, g.prompt_ns, 0, 0};;) {
    if (events.stopped()) return end(Ending::interrupted);
    const bool is_picked = session.picks() && sampler.is_greedy();
    const Token token = is_picked ? session.picked() : sampler.sample(logits, session.tokens());
    times.sampled_ns = now_ns();
    g.tokens.push_back(token);
    const bool is_end = options.ends(token);
    const std::string text = is_end ? "" : stops.add(decoder.add(token));
    times.decoded_ns = now_ns();
    events.token(token, text);
    events.times(times);
    g.ended_ns = now_ns();
    if (is_end) return end(Ending::end_token);
    if (!stops.found().empty()) return end(Ending::stop_string);
    if (std::ssize(g.tokens) == options.max_tokens) return end(Ending::max_tokens);
    if (session.position() == session.context()) return end(Ending::context_full);
    times.began_ns = now_ns();
    logits = session.append(std::span(&token, 1));
    times.passed_ns = now_ns();
    if (logits.empty()) return end(Ending::interrupted);
  }
}

}  // namespace assay
