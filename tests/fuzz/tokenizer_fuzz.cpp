// Fuzz entry of the tokenizers: any vocabulary is refused by an Error or works; any text comes back from one that has
// all bytes; no text becomes a control token; what streams out is the text.
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "model/byte_alphabet.h"
#include "model/split_rules.h"
#include "model/token_decoder.h"
#include "model/token_encoder.h"

namespace {

using namespace assay;

void require(bool condition) {
  if (!condition) std::abort();
}

/// The input as a source of choices; at its end all are 0.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}
  size_t number(size_t below) { return byte() % below; }
  bool yes() { return byte() & 1; }
  std::string_view text(size_t most) {
    const size_t size = std::min(number(most + 1), bytes_.size());
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::string_view rest() const { return bytes_; }

 private:
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return value;
  }
  std::string_view bytes_;
};

struct Made {
  std::vector<std::string> texts, merges;
  Vocabulary vocabulary;
  bool has_all_bytes = false;
};

void add_bytes(Made& made) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool bpe = made.vocabulary.model == "gpt2";
    made.texts.push_back(bpe ? letters_of_bytes(std::string(1, char(byte))) : fmt::format("<0x{:02X}>", byte));
    made.vocabulary.types.push_back(int32_t(bpe ? TokenType::normal : TokenType::byte));
  }
}

void add_merges(Choices& choices, Made& made) {
  for (size_t i = choices.number(16); i > 0; --i) {
    const std::string &left = made.texts[choices.number(256) % made.texts.size()],
                      &right = made.texts[choices.number(256) % made.texts.size()];
    made.merges.push_back(left + " " + right);
    if (choices.number(8) == 0) continue;  // its token may be missing
    made.texts.push_back(left + right);
    made.vocabulary.types.push_back(int32_t(TokenType::normal));
  }
  if (choices.number(8) == 1) made.merges.emplace_back(choices.text(8));
}

Made made_of(Choices& choices) {
  Made made;
  Vocabulary& v = made.vocabulary;
  v.model = choices.yes() ? "gpt2" : "llama";
  const std::vector<std::string> rules = split_rule_names();
  if (choices.number(16) > 0) v.pre = rules[choices.number(rules.size())];
  made.has_all_bytes = choices.number(4) > 0;
  if (made.has_all_bytes) add_bytes(made);
  for (size_t i = choices.number(24); i > 0; --i) {
    made.texts.emplace_back(choices.text(12));
    v.types.push_back(int32_t(choices.number(7)));
  }
  if (v.model == "gpt2" && !made.texts.empty()) add_merges(choices, made);
  if (v.model == "llama" || choices.yes())
    for (size_t i = 0; i < made.texts.size(); ++i) v.scores.push_back(float(choices.number(8)));
  if (choices.number(16) == 1) v.types.clear(), made.has_all_bytes = false;
  if (choices.yes()) v.unknown = Token(choices.number(256));
  if (choices.yes()) v.bos = Token(choices.number(256));
  if (choices.yes()) v.add_space_prefix = choices.yes();
  v.tokens.assign(made.texts.begin(), made.texts.end());
  v.merges.assign(made.merges.begin(), made.merges.end());
  // A byte's token that something else has taken, or that the file names as special, is no longer the text's.
  if (v.bos && *v.bos < 256) v.bos.reset();
  if (v.unknown && *v.unknown < 256 && v.model == "llama") v.unknown.reset();
  return made;
}

void check(const Tokenizer& tokenizer, std::string_view text, bool has_all_bytes) {
  TokenEncoder encoder(tokenizer);
  for (const bool special : {false, true}) {
    std::vector<Token> tokens;
    try {
      tokens = encoder.encode(text, {.special = special});
      require(encoder.encode(text, {.special = special}) == tokens);
    } catch (const Error&) {
      require(!has_all_bytes);
      continue;
    }
    TokenDecoder decoder(tokenizer, {.special = special}), display(tokenizer, {.special = special, .display = true});
    std::string streamed;
    for (const Token token : tokens) {
      require(token < tokenizer.size());
      streamed += decoder.add(token);
      const std::string shown = display.add(token);
      require(utf8_front(shown) == shown.size());
    }
    streamed += decoder.finish();
    if (has_all_bytes) require(streamed == text);
    if (!special && has_all_bytes)
      for (const Token token : tokens) require(!tokenizer.is_control(token));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Choices choices(std::string_view(reinterpret_cast<const char*>(data), size));
  const Made made = made_of(choices);
  try {
    const Tokenizer tokenizer(made.vocabulary);
    check(tokenizer, choices.rest(), made.has_all_bytes);
  } catch (const Error& e) {
    require(std::string_view(e.what()).rfind("vocabulary: ", 0) == 0);
  }
  return 0;
}
