// Text to tokens, for one thread.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer.h"
#include "model/word_cache.h"

namespace assay {

struct EncodeOptions {
  bool special = false;  // names of control tokens in the text become these tokens: never for what a user typed
  bool bos = false;      // the token before the text; there must be one
  bool eos = false;      // likewise after it
};

/// Any bytes are a text. Where the text is not UTF-8, each byte that is no character is a word of its own.
class TokenEncoder {
 public:
  /// The tokenizer lives longer.
  explicit TokenEncoder(const Tokenizer& tokenizer);

  /// Error for a byte that the vocabulary cannot say, and for 4 GiB of text.
  std::vector<Token> encode(std::string_view text, const EncodeOptions& options = {});

 private:
  void append_split(std::string_view text);
  void append_pieces(std::string_view text, bool blank_before);
  void append_word(std::string_view word);

  const Tokenizer& tokenizer_;
  std::optional<WordSplitter> splitter_;
  SymbolMerger merger_;
  WordCache cache_;
  std::string with_blank_;
  std::vector<Token> tokens_;
};

}  // namespace assay
