// Special tokens first, then words, each looked up or merged.
#include "model/token_encoder.h"

#include "base/error.h"
#include "base/utf8.h"

namespace assay {
namespace {
constexpr size_t kMostBytes = UINT32_MAX - 1;  // symbols count bytes in 32 bits; one for the blank before
}

TokenEncoder::TokenEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  if (tokenizer.patterns()) splitter_.emplace(*tokenizer.patterns());
}

std::vector<Token> TokenEncoder::encode(std::string_view text, const EncodeOptions& options) {
  if (text.size() >= kMostBytes) fail("the text has {} bytes, 4 GiB at most at once; cut it", text.size());
  tokens_.clear();
  tokens_.reserve(text.size() / 3 + 2);
  ASSAY_CHECK(!options.bos || tokenizer_.bos());
  ASSAY_CHECK(!options.eos || tokenizer_.eos());
  if (options.bos) tokens_.push_back(*tokenizer_.bos());
  bool after_special = true;
  for (const SpecialTokens::Part& part : tokenizer_.specials(options.special).split(text)) {
    if (part.token != kNoToken)
      tokens_.push_back(part.token);
    else if (splitter_)
      append_split(text.substr(part.begin, part.size));
    else
      append_pieces(text.substr(part.begin, part.size), after_special && tokenizer_.adds_blank());
    after_special = part.token != kNoToken;
  }
  if (options.eos) tokens_.push_back(*tokenizer_.eos());
  return std::move(tokens_);
}

void TokenEncoder::append_split(std::string_view text) {
  while (!text.empty()) {
    const size_t good = utf8_front(text);
    if (good > 0) splitter_->split(text.substr(0, good), [this](std::string_view word) { append_word(word); });
    if (good < text.size()) append_word(text.substr(good, 1));
    text.remove_prefix(std::min(good + 1, text.size()));
  }
}

void TokenEncoder::append_pieces(std::string_view text, bool blank_before) {
  if (blank_before) text = with_blank_ = " " + std::string(text);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = tokenizer_.pieces()->word_end(text, begin);
    append_word(text.substr(begin, end - begin));
    begin = end;
  }
}

void TokenEncoder::append_word(std::string_view word) {
  if (cache_.append(word, tokens_)) return;
  const size_t before = tokens_.size();
  tokenizer_.coder().append(word, merger_, tokens_);
  cache_.keep(word, std::span(tokens_).subspan(before));
}

}  // namespace assay
