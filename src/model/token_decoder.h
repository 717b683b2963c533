// Tokens to text, one by one as a model gives them.
#pragma once
#include <span>
#include <string>

#include "model/tokenizer.h"

namespace assay {

struct DecodeOptions {
  bool special = false;  // control tokens are written by their names; else they are left out
  bool display = false;  // bytes that are no UTF-8 become U+FFFD; else they come out as they are
};

/// Never gives a part of a character: bytes wait until the next tokens complete it.
class TokenDecoder {
 public:
  /// The tokenizer lives longer.
  explicit TokenDecoder(const Tokenizer& tokenizer, const DecodeOptions& options = {});

  /// The text that is whole with this token. Error for a token that the vocabulary does not have.
  std::string add(Token token);
  /// What waits for its rest, which will not come. The next token begins a new text.
  std::string finish();

 private:
  std::string take(size_t bytes);

  const Tokenizer& tokenizer_;
  DecodeOptions options_;
  std::string waiting_;
  bool after_special_ = true;  // here encoding may have put a blank
};

/// The text of all of them.
std::string decode(const Tokenizer& tokenizer, std::span<const Token> tokens, const DecodeOptions& options = {});

}  // namespace assay
