// The SentencePiece kind: a text's characters, merged to the token of the best score.
#pragma once
#include <bitset>
#include <vector>

#include "model/word_coder.h"

namespace assay {

class SentencePieces : public WordCoder {
 public:
  /// `texts` finds the tokens that text may become, blanks as blanks. Error for a score that is no number.
  SentencePieces(const Vocabulary& vocabulary, const TokenTexts& texts, const ByteTokens& bytes);
  void append(std::string_view word, SymbolMerger& merger, std::vector<Token>& tokens) const override;

  /// Where the word ends that begins at `begin`: before a blank that no token has after the byte before it. Merging
  /// cannot cross such a place, so words are coded apart with the same result.
  size_t word_end(std::string_view text, size_t begin) const;

 private:
  const TokenTexts& texts_;
  const ByteTokens& bytes_;
  std::vector<uint32_t> ranks_;      // by token: how many distinct scores are better
  std::bitset<256> before_a_blank_;  // within a token
};

}  // namespace assay
