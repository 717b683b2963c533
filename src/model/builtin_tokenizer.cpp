// A small byte-level tokenizer for models that have none: every byte is a token, a few common pairs, and fillers.
#include "model/builtin_tokenizer.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

/// Frequent pairs of English, each made of single bytes or of pairs before it; ' ' stands for the blank's letter.
constexpr std::array<std::pair<const char*, const char*>, 24> kMerges = {{
    {" ", "t"}, {"h", "e"}, {" ", "a"}, {"i", "n"}, {" t", "he"}, {"r", "e"}, {"o", "n"},  {"e", "r"},
    {" ", "s"}, {"a", "t"}, {" ", "w"}, {" ", "o"}, {"e", "n"},   {" ", "c"}, {"i", "t"},  {"i", "s"},
    {"a", "n"}, {"o", "r"}, {"e", "s"}, {" ", "b"}, {"e", "d"},   {" ", "f"}, {"in", "g"}, {" a", "n"},
}};
constexpr const char* kEndOfText = "<|endoftext|>";

std::string utf8(uint32_t point) {
  if (point < 0x80) return std::string(1, char(point));
  return {char(0xc0 | point >> 6), char(0x80 | (point & 63))};
}

/// GPT-2's letters for bytes: printable Latin-1 stands for itself, the others follow from U+0100 on.
std::vector<std::string> byte_letters() {
  std::vector<std::string> letters(256);
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool is_printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    letters[byte] = utf8(is_printable ? byte : next++);
  }
  return letters;
}

std::string in_letters(std::string_view text, const std::vector<std::string>& letters) {
  std::string result;
  for (const char c : text) result += letters[uint8_t(c)];
  return result;
}

}  // namespace

int64_t builtin_tokenizer_least() { return 256 + int64_t(kMerges.size()) + 1; }

void add_builtin_tokenizer(GgufWriter& writer, int64_t vocabulary) {
  ASSAY_CHECK(vocabulary >= builtin_tokenizer_least());
  constexpr int32_t kNormal = 1, kControl = 3, kUnused = 5;
  const std::vector<std::string> letters = byte_letters();
  std::vector<std::string> tokens = letters, merges;
  for (const auto& [left, right] : kMerges) {
    const std::string a = in_letters(left, letters), b = in_letters(right, letters);
    tokens.push_back(a + b);
    merges.push_back(a + " " + b);
  }
  std::vector<int32_t> types(tokens.size(), kNormal);
  const auto end_of_text = uint32_t(tokens.size());
  tokens.push_back(kEndOfText);
  types.push_back(kControl);
  while (int64_t(tokens.size()) < vocabulary) {
    tokens.push_back(fmt::format("[unused{}]", tokens.size()));
    types.push_back(kUnused);
  }
  writer.add_text("tokenizer.ggml.model", "gpt2");
  writer.add_text("tokenizer.ggml.pre", "gpt-2");
  writer.add_texts("tokenizer.ggml.tokens", tokens);
  writer.add_integers("tokenizer.ggml.token_type", types);
  writer.add_texts("tokenizer.ggml.merges", merges);
  writer.add_u32("tokenizer.ggml.bos_token_id", end_of_text);
  writer.add_u32("tokenizer.ggml.eos_token_id", end_of_text);
  writer.add_bool("tokenizer.ggml.add_bos_token", false);
}

}  // namespace assay
