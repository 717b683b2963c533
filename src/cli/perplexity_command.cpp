// assay perplexity: how well a model foretells a text.
#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/interruption.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"
#include "model/token_encoder.h"

namespace assay {
namespace {

struct PerplexityOptions {
  EngineOptions engine;
  std::string text;
  int64_t window = 512;
};

/// Sums of -log p and of its square, in double.
struct Surprise {
  double sum = 0, squares = 0;
  int64_t tokens = 0;

  void add(std::span<const float> logits, Token next) {
    double largest = logits[0], total = 0;
    for (const float logit : logits) largest = std::max(largest, double(logit));
    for (const float logit : logits) total += std::exp(double(logit) - largest);
    const double nats = largest + std::log(total) - double(logits[next]);
    sum += nats, squares += nats * nats, ++tokens;
  }
  double mean() const { return sum / double(tokens); }
  double error() const {
    const double variance = std::max(0.0, squares / double(tokens) - mean() * mean());
    return std::sqrt(variance / double(std::max<int64_t>(1, tokens - 1)));
  }
};

int run_perplexity(const PerplexityOptions& o) {
  OpenedEngine engine(o.engine);
  const Tokenizer& tokenizer = engine.model().tokenizer();
  const bool bos = tokenizer.adds_bos() && tokenizer.bos();
  const std::vector<Token> tokens = TokenEncoder(tokenizer).encode(read_input(o.text));
  if (tokens.size() < 2) fail("{}: has {} tokens; two are the least that can be foretold", o.text, tokens.size());
  Session& session = engine.session();
  const int64_t window = std::min({o.window, session.context() - bos, int64_t(tokens.size())});
  if (window < 1)
    fail("{}: a context of {} has no room beside the token that begins a text; give a larger --context", o.engine.model,
         session.context());
  const int64_t vocabulary = engine.model().config().vocabulary;
  const CatchInterrupt catch_interrupt;
  session.stopped = [] { return interrupted(); };
  Surprise surprise;
  const bool live = describe_terminal(stderr).live;
  for (size_t first = 0; first + 1 < tokens.size(); first += size_t(window)) {
    std::vector<Token> piece;
    if (bos) piece.push_back(*tokenizer.bos());
    const size_t end = std::min(tokens.size(), first + size_t(window));
    piece.insert(piece.end(), tokens.begin() + int64_t(first), tokens.begin() + int64_t(end));
    session.truncate(0);
    const std::span<const float> logits = session.append(piece, std::ssize(piece));
    if (interrupted() || logits.empty()) {
      if (live) remark("\r\x1b[K");
      remark("assay: interrupted\n");
      return 130;
    }
    for (size_t i = 0; i + 1 < piece.size(); ++i)
      surprise.add(logits.subspan(i * size_t(vocabulary), size_t(vocabulary)), piece[i + 1]);
    if (live) remark("\r{} of {} tokens, perplexity {:.4f}\x1b[K", end, tokens.size(), std::exp(surprise.mean()));
  }
  if (live) remark("\r\x1b[K");
  if (surprise.tokens == 0) fail("{}: nothing to foretell in windows of {} tokens", o.text, window);
  const double perplexity = std::exp(surprise.mean());
  const std::string text =
      fmt::format("perplexity {:.4f} ± {:.4f} over {} tokens ({:.4f} bits a token), windows of {}", perplexity,
                  perplexity * surprise.error(), surprise.tokens, surprise.mean() / std::log(2.0), window);
  show("{}\n", wrap(text, describe_terminal(stdout).width, 2));
  return 0;
}

}  // namespace

CommandRun add_perplexity(Options options, CommandFiles& files) {
  const auto o = std::make_shared<PerplexityOptions>();
  options.footer(
      "The text is cut into windows; in each every token but the first is foretold from those before it. Control\n"
      "tokens that the text spells stay text.\n"
      "Example: assay perplexity model.gguf book.txt\n\n"
      "Exit codes: 0 fine; 2 an error, named on stderr; 130 Ctrl-C.");
  add_engine_options(options, files, o->engine);
  files.add(CommandFiles::Part::input,
            options.add("TEXT", o->text, "the text ('-': standard input)").required().type(""));
  options.add("--window", o->window, "tokens of a window").show_default().whole(2, 1 << 20).type("N");
  return [o] { return run_perplexity(*o); };
}

}  // namespace assay
