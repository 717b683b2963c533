// The tokens of words that came lately. A word has one place; the next one there takes it.
#pragma once
#include <array>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "model/vocabulary.h"

namespace assay {

class WordCache {
 public:
  /// Appends the word's tokens where they are known.
  bool append(std::string_view word, std::vector<Token>& tokens) {
    if (word.size() > kMostBytes) return false;
    place_ = &places_[place_of(word)];
    if (place_->bytes != word.size() || std::memcmp(place_->word, word.data(), word.size()) != 0) return false;
    tokens.insert(tokens.end(), place_->tokens, place_->tokens + place_->count);
    return true;
  }

  /// What append() did not know.
  void keep(std::string_view word, std::span<const Token> tokens) {
    if (word.size() > kMostBytes || tokens.size() > kMostTokens) return;
    place_->bytes = static_cast<uint8_t>(word.size());
    place_->count = static_cast<uint8_t>(tokens.size());
    std::memcpy(place_->word, word.data(), word.size());
    std::copy(tokens.begin(), tokens.end(), place_->tokens);
    if (++kept_ >= places_.size() && places_.size() < kMostPlaces) {  // a short text needs no large table
      places_.assign(places_.size() * 16, {});
      kept_ = 0;
    }
  }

 private:
  static constexpr size_t kFirstPlaces = 64, kMostPlaces = 16384, kMostBytes = 22, kMostTokens = 10;
  struct alignas(64) Place {  // 64 bytes: one line of the processor's cache
    uint8_t bytes = 0, count = 0;
    char word[kMostBytes];
    Token tokens[kMostTokens];
  };
  static_assert(sizeof(Place) == 64);

  size_t place_of(std::string_view word) const;

  std::vector<Place> places_ = std::vector<Place>(kFirstPlaces);
  size_t kept_ = 0;         // since the table has its size
  Place* place_ = nullptr;  // of the word that append() was last asked for
};

}  // namespace assay
