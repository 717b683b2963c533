// Bytes of tokens, held back until they are characters.
#include "model/token_decoder.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace assay {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// With U+FFFD for each byte that is part of no character; half a character is one such place.
std::string displayable(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const size_t good = utf8_front(text);
    shown += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    size_t bad = std::min<size_t>(text.size(), 3);
    while (bad > 1 && unfinished_code_point(text.substr(0, bad)) != bad) --bad;
    shown += kReplacement;
    text.remove_prefix(bad);
  }
  return shown;
}

}  // namespace

TokenDecoder::TokenDecoder(const Tokenizer& tokenizer, const DecodeOptions& options)
    : tokenizer_(tokenizer), options_(options) {}

std::string TokenDecoder::add(Token token) {
  if (token >= tokenizer_.size())
    fail("token {}: the vocabulary has {} tokens, numbered from 0", token, tokenizer_.size());
  std::string_view bytes = tokenizer_.bytes(token);
  if (tokenizer_.is_control(token) || tokenizer_.is_user_defined(token)) {
    after_special_ = true;
    if (tokenizer_.is_control(token) && !options_.special) return "";
  } else if (after_special_ && !bytes.empty()) {
    after_special_ = false;
    if (tokenizer_.adds_blank() && bytes[0] == ' ') bytes.remove_prefix(1);
  }
  waiting_ += bytes;
  return take(waiting_.size() - unfinished_code_point(waiting_));
}

std::string TokenDecoder::finish() {
  after_special_ = true;
  return take(waiting_.size());
}

std::string TokenDecoder::take(size_t bytes) {
  std::string text = waiting_.substr(0, bytes);
  waiting_.erase(0, bytes);
  return options_.display ? displayable(text) : text;
}

std::string decode(const Tokenizer& tokenizer, std::span<const Token> tokens, const DecodeOptions& options) {
  TokenDecoder decoder(tokenizer, options);
  std::string text;
  for (const Token token : tokens) text += decoder.add(token);
  return text + decoder.finish();
}

}  // namespace assay
