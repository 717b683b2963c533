// Merging of neighbours, the core of both kinds of tokenizer: the best pair first, of equal ones the leftmost.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "model/vocabulary.h"

namespace assay {

constexpr Token kNoToken = UINT32_MAX;

/// A stretch of a word. Its bytes; the token that it is, or kNoToken.
struct Symbol {
  uint32_t begin = 0, size = 0;
  Token token = kNoToken;
};

/// What a pair becomes. The lowest rank is merged first.
struct Merge {
  static constexpr uint32_t kNever = UINT32_MAX;
  uint32_t rank = kNever;
  Token token = kNoToken;
};

/// Keeps its memory from word to word; one a thread.
class SymbolMerger {
 public:
  std::vector<Symbol> symbols;  // a word's, in and out

  /// `find(left, right)` gives the Merge of two neighbours. O(n log n) finds and steps for n symbols.
  template <typename Find>
  void run(const Find& find) {
    if (symbols.size() < 2) return;
    merges_.resize(symbols.size());
    for (size_t i = 0; i + 1 < symbols.size(); ++i) merges_[i] = find(symbols[i], symbols[i + 1]);
    merges_.back() = {};
    if (symbols.size() <= kShort)
      run_short(find);
    else
      run_long(find);
  }

 private:
  static constexpr size_t kShort = 48;  // symbols; up to here moving them is cheaper than a heap

  void join(size_t left, size_t right) {
    symbols[left].size += symbols[right].size;
    symbols[left].token = merges_[left].token;
  }

  template <typename Find>
  void run_short(const Find& find) {
    for (;;) {
      const auto best =
          std::min_element(merges_.begin(), merges_.end(), [](auto& a, auto& b) { return a.rank < b.rank; });
      if (best->rank == Merge::kNever) return;
      const auto left = size_t(best - merges_.begin());
      join(left, left + 1);
      symbols.erase(symbols.begin() + ptrdiff_t(left) + 1);
      merges_.erase(best + 1);
      merges_[left] = left + 1 < symbols.size() ? find(symbols[left], symbols[left + 1]) : Merge{};
      if (left > 0) merges_[left - 1] = find(symbols[left - 1], symbols[left]);
    }
  }

  // A pair waits in the heap as rank and place of its left symbol. What is taken out is stale unless that symbol is
  // alive and its merge still has that rank.
  template <typename Find>
  void run_long(const Find& find) {
    const auto count = static_cast<uint32_t>(symbols.size());
    neighbours_.resize(count);
    waiting_.clear();
    for (uint32_t i = 0; i < count; ++i) {
      neighbours_[i] = {i - 1, i + 1};
      if (merges_[i].rank != Merge::kNever) waiting_.push_back(uint64_t(merges_[i].rank) << 32 | i);
    }
    std::make_heap(waiting_.begin(), waiting_.end(), std::greater<>());
    while (!waiting_.empty()) {
      std::pop_heap(waiting_.begin(), waiting_.end(), std::greater<>());
      const uint64_t key = waiting_.back();
      waiting_.pop_back();
      const auto left = static_cast<uint32_t>(key);
      if (merges_[left].rank != key >> 32) continue;
      const uint32_t right = neighbours_[left].next;
      join(left, right);
      symbols[right].size = 0;
      merges_[right] = {};
      const uint32_t after = neighbours_[left].next = neighbours_[right].next;
      if (after < count) neighbours_[after].before = left;
      merges_[left] = {};
      if (after < count) await(left, find(symbols[left], symbols[after]));
      if (const uint32_t before = neighbours_[left].before; before < count)
        await(before, find(symbols[before], symbols[left]));
    }
    std::erase_if(symbols, [](const Symbol& symbol) { return symbol.size == 0; });
  }

  void await(uint32_t left, const Merge& merge) {
    merges_[left] = merge;
    if (merge.rank == Merge::kNever) return;
    waiting_.push_back(uint64_t(merge.rank) << 32 | left);
    std::push_heap(waiting_.begin(), waiting_.end(), std::greater<>());
  }

  struct Neighbours {
    uint32_t before, next;  // from the count of symbols on: none
  };

  std::vector<Merge> merges_;  // of each symbol with the next
  std::vector<Neighbours> neighbours_;
  std::vector<uint64_t> waiting_;
};

}  // namespace assay
