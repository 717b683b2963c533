// Byte-level BPE: a word's bytes, merged as the file's list of merges says.
#pragma once
#include <string>
#include <vector>

#include "model/word_coder.h"

namespace assay {

/// The merges by the two tokens that they join.
class PairTable {
 public:
  explicit PairTable(size_t merges);
  /// The first merge of a pair counts.
  void add(Token left, Token right, const Merge& merge);
  Merge find(Token left, Token right) const {
    const uint64_t key = uint64_t(left) << 32 | right;
    size_t at = slot_of(key);
    while (slots_[at].key != key && slots_[at].merge.rank != Merge::kNever) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].key != key) return {};
    return slots_[at].merge;
  }

 private:
  struct Slot {
    uint64_t key = UINT64_MAX;
    Merge merge;  // rank kNever: empty
  };
  size_t slot_of(uint64_t key) const { return size_t(key * 0x9e3779b97f4a7c15 >> shift_); }

  int shift_ = 0;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

class BytePairs : public WordCoder {
 public:
  /// `texts` finds the tokens that text may become. Error for a merge that names none, with its number.
  BytePairs(const Vocabulary& vocabulary, const TokenTexts& texts, const ByteTokens& bytes, bool ignore_merges);
  void append(std::string_view word, SymbolMerger& merger, std::vector<Token>& tokens) const override;
  /// Merges left out, since they would make a token that text must not become.
  size_t left_out() const { return left_out_; }

 private:
  const TokenTexts& texts_;
  const ByteTokens& bytes_;
  bool ignore_merges_;  // a word that is a token is that token, merges or not
  std::array<Token, 256> token_of_byte_;
  PairTable pairs_;
  size_t left_out_ = 0;
};

}  // namespace assay
