// assay chat: a talk with a model over several turns.
#include <unistd.h>

#include <csignal>
#include <memory>

#include "base/error.h"
#include "base/interruption.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"
#include "model/chat_template.h"

namespace assay {
namespace {

struct ChatOptions {
  EngineOptions engine;
  SamplingText sampling;
  std::string system;
  bool raw = false;
};

/// The next line of standard input without its end; false where there is none.
bool read_line(std::string& line) {
  line.clear();
  for (char c; ::read(STDIN_FILENO, &c, 1) == 1;) {
    if (c == '\n') return true;
    line += c;
  }
  return !line.empty();
}

class Chat {
 public:
  Chat(const ChatOptions& options, OpenedEngine& engine)
      : options_(options),
        engine_(engine),
        tokenizer_(engine.model().tokenizer()),
        sampler_(options.sampling.sampling) {
    if (!options.raw) template_.emplace(ChatTemplate::of(engine.model().file(), tokenizer_));
  }

  /// The tokens of the whole talk up to where the answer begins: of what was there before nothing is computed again.
  void answer(const std::string& line) {
    const std::vector<Token> turn = next_turn(line);
    talk_.insert(talk_.end(), turn.begin(), turn.end());
    GenerationEvents events;
    events.stopped = [] { return interrupted() || has_lost_output(); };
    events.token = [](Token, std::string_view text) { put_answer(text); };
    const Generation g = [&] {
      const CatchInterrupt of_the_answer{SIGINT};
      return generate(
          engine_.session(), sampler_, tokenizer_, talk_,
          {options_.sampling.max_tokens, options_.sampling.stops, [this](Token token) { return ends(token); }}, events);
    }();
    put_answer(g.rest + "\n");
    talk_.insert(talk_.end(), g.tokens.begin(), g.tokens.end());
    ended_ = g.ending == Ending::end_token;
    if (options_.engine.verbose)
      remark("assay: {} tokens reused, {} computed, {} in {:.0f} ms\n", g.reused_tokens, g.prompt_tokens,
             g.tokens.size(), g.decode_s() * 1e3);
    if (g.ending == Ending::context_full) remark("assay: the context of {} is full\n", engine_.session().context());
  }

 private:
  std::vector<Token> next_turn(const std::string& line) {
    if (template_)
      return talk_.empty() ? template_->first_turn(options_.system, line) : template_->next_turn(line, ended_);
    const bool bos = talk_.empty() && tokenizer_.adds_bos() && tokenizer_.bos();
    return TokenEncoder(tokenizer_).encode(line + "\n", {.special = false, .bos = bos});
  }
  bool ends(Token token) const {
    if (template_) return template_->ends_answer(token);
    return tokenizer_.eos() && token == *tokenizer_.eos();
  }

  const ChatOptions& options_;
  OpenedEngine& engine_;
  const Tokenizer& tokenizer_;
  Sampler sampler_;
  std::optional<ChatTemplate> template_;
  std::vector<Token> talk_;
  bool ended_ = true;
};

int run_chat(const ChatOptions& options) {
  EngineOptions with_picks = options.engine;
  with_picks.picks = Sampler(options.sampling.sampling).is_greedy();
  OpenedEngine engine(with_picks);
  Chat chat(options, engine);
  const bool interactive = describe_terminal(stdout).interactive && isatty(STDIN_FILENO);
  if (interactive) remark("Ctrl-C ends an answer, Ctrl-D the chat.\n");
  for (std::string line;;) {
    if (interactive) put(stdout, "> "), flush(stdout);
    if (has_lost_output() || !read_line(line)) break;
    if (!line.empty()) chat.answer(line);
  }
  return 0;
}

}  // namespace

CommandRun add_chat(Options options, CommandFiles& files) {
  const auto o = std::make_shared<ChatOptions>();
  options.footer(
      "A line of standard input is a turn. What was said before stays in the KV cache. Ctrl-C ends an answer; where\n"
      "none is given, the program. SIGTERM and SIGHUP end the program.\n"
      "Example: assay chat model.gguf --system 'Answer in one sentence.'\n\n"
      "Exit codes: 0 the input ended; 2 an error, named on stderr; 130 Ctrl-C where no answer was given, SIGTERM, "
      "SIGHUP.");
  add_engine_options(options, files, o->engine);
  options.add("--system", o->system, "how it shall answer").uncut().type("TEXT");
  options.flag("--raw", o->raw, "lines as they are, without the model's chat template");
  add_sampling_options(options, o->sampling);
  return [o] { return run_chat(*o); };
}

}  // namespace assay
