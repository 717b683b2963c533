// assay logits: what a model makes of given tokens, every logit.
#include <memory>

#include "base/error.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"

namespace assay {
namespace {

struct LogitsOptions {
  EngineOptions engine;
  std::string tokens, out;
};

int run_logits(const LogitsOptions& options) {
  const std::vector<Token> tokens = parse_token_numbers(options.tokens, "--tokens");
  if (tokens.empty()) fail("--tokens: is empty; give numbers with blanks between");
  OpenedEngine engine(options.engine);
  const std::span<const float> logits = engine.session().append(tokens, std::ssize(tokens));
  static_assert(std::endian::native == std::endian::little);
  write_output(options.out, std::string_view(reinterpret_cast<const char*>(logits.data()), logits.size_bytes()));
  if (!is_standard_output(options.out))
    show("{}: {} x {} float32\n", one_line(options.out), tokens.size(), engine.model().config().vocabulary);
  return 0;
}

}  // namespace

CommandRun add_logits(Options options, CommandFiles& files) {
  const auto o = std::make_shared<LogitsOptions>();
  options.footer(
      "Writes float32, little-endian, a row of the vocabulary's size for each token.\n"
      "Example: assay logits model.gguf --tokens '3 17 901' --out logits.f32\n\n"
      "Exit codes: 0 fine; 2 an error, named on stderr; 130 Ctrl-C, and nothing is written.");
  add_engine_options(options, files, o->engine);
  options.add("--tokens", o->tokens, "their numbers, blanks between").required().uncut().type("'N N …'");
  files.add(CommandFiles::Part::output, options.add("--out", o->out, "where the logits go").required().type("FILE"));
  return [o] { return run_logits(*o); };
}

}  // namespace assay
