// assay tokenize: text to token numbers by a model file's vocabulary, and back.
#include <memory>

#include "base/error.h"
#include "base/joined.h"
#include "base/standard_streams.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/engine_options.h"
#include "model/gguf_vocabulary.h"
#include "model/token_decoder.h"
#include "model/token_encoder.h"

namespace assay {
namespace {

struct TokenizeOptions {
  std::string model, file = "-", text;
  bool has_text = false, decode = false;
  EncodeOptions encode;
};

std::string input_name(const TokenizeOptions& options) {
  return options.has_text ? "--text" : options.file == "-" ? "standard input" : options.file;
}

std::string input_of(const TokenizeOptions& options) {
  return options.has_text ? options.text : read_input(options.file);
}

int run_tokenize(const TokenizeOptions& options) {
  if (options.has_text && options.file != "-") fail("--text and --file both name the input; give one of them");
  if (options.decode && options.encode.bos) fail("--bos is for encoding; leave it out with --decode");
  const std::unique_ptr<const Tokenizer> tokenizer = load_tokenizer(Gguf(options.model));
  for (const std::string& line : tokenizer->remarks()) remark("assay: {}: {}\n", options.model, line);
  if (options.encode.bos && !tokenizer->bos())
    fail("{}: names no token that begins a text (tokenizer.ggml.bos_token_id); leave --bos out", options.model);
  const std::string input = input_of(options);
  if (options.decode) {
    put(stdout,
        decode(*tokenizer, parse_token_numbers(input, input_name(options)), {.special = options.encode.special}));
  } else {
    show("{}\n", joined(TokenEncoder(*tokenizer).encode(input, options.encode), " "));
  }
  return 0;
}

}  // namespace

CommandRun add_tokenize(Options options, CommandFiles& files) {
  const auto o = std::make_shared<TokenizeOptions>();
  options.footer(
      "Prints the token numbers on one line, blanks between. The text is taken as it is: any bytes, the last line end\n"
      "included. Nothing is put before or after it unless --bos is given. --decode gives the same bytes back.\n"
      "docs/tokenize.md says which vocabularies are read and what happens to bytes that are no UTF-8.\n"
      "Example: printf 'Hello world' | assay tokenize model.gguf\n"
      "         assay tokenize model.gguf --decode --text '9707 1879'\n\n"
      "Exit codes: 0 fine; 2 the file has no vocabulary that can be used, or the input is none.");
  files.add(CommandFiles::Part::input,
            options.add("FILE", o->model, "a GGUF file with a vocabulary").required().type(""));
  files.add(CommandFiles::Part::input,
            options.add("-f,--file", o->file, "the input ('-', the default: standard input)").type("FILE"));
  const Option text = options.add("--text", o->text, "the input itself").type("TEXT");
  options.flag("--decode", o->decode, "the input is token numbers: write the text they stand for, byte for byte");
  options.flag("--special", o->encode.special,
               "names of control tokens in the text become these tokens (never for what a user typed); with "
               "--decode, control tokens are written by name, not left out");
  options.flag("--bos,!--no-bos", o->encode.bos,
               "the token that begins a text comes first, or not (the default, whatever the file says)");
  return [o, text] {
    o->has_text = text.is_given();
    return run_tokenize(*o);
  };
}

}  // namespace assay
