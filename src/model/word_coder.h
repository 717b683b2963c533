// How one word becomes tokens: what the two kinds of tokenizer have in common.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "model/symbol_merger.h"
#include "model/token_texts.h"

namespace assay {

/// The tokens that stand for a byte that is part of no token; none where the vocabulary has no way to say it.
class ByteTokens {
 public:
  std::array<std::vector<Token>, 256> of;
  std::optional<Token> unknown;  // stands for bytes that have no token of their own

  /// Appends those of all bytes, the unknown token once. Error, with the byte, where there are none.
  void append(std::string_view bytes, std::vector<Token>& tokens) const;
  /// A word that was merged: the symbols' tokens, byte by byte what became none.
  void append_merged(std::string_view word, const std::vector<Symbol>& symbols, std::vector<Token>& tokens) const;
};

class WordCoder {
 public:
  virtual ~WordCoder() = default;
  /// Appends the word's tokens. The merger is the caller's, so that threads can share a coder.
  virtual void append(std::string_view word, SymbolMerger& merger, std::vector<Token>& tokens) const = 0;
};

}  // namespace assay
