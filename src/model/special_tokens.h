// Tokens that are found in a text as they are written, before anything is split or merged.
#pragma once
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/symbol_merger.h"

namespace assay {

class SpecialTokens {
 public:
  /// A stretch of a text: a special token, or text between them (kNoToken).
  struct Part {
    size_t begin, size;
    Token token = kNoToken;
  };

  /// The text, which is not empty, lives as long as this. `takes_blanks`: white space after it vanishes.
  void add(Token token, std::string_view text, bool takes_blanks = false);

  /// The text in parts; longer tokens take their place first, of equally long ones the leftmost. Without white space
  /// that a token takes, the parts are the text. O(bytes) for each length of which the text may have a token.
  std::vector<Part> split(std::string_view text) const;

 private:
  struct Entry {
    std::string_view text;
    Token token;
    bool takes_blanks;
  };
  struct Length {
    size_t bytes;
    std::vector<Entry> entries;
  };
  struct Found {
    size_t begin;
    const Entry* entry;
  };
  class Finder;
  std::vector<Found> find_all(std::string_view text) const;

  std::vector<Length> lengths_;  // the longest first
};

}  // namespace assay
