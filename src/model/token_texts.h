// The bytes of every token, and the way back: which token has these bytes.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/vocabulary.h"

namespace assay {

class TokenTexts {
 public:
  /// The next token's bytes.
  void add(std::string_view bytes);
  std::string_view text(Token token) const {
    return {all_.data() + begins_[token], begins_[token + 1] - begins_[token]};
  }
  size_t size() const { return begins_.size() - 1; }

  /// From now on find() knows the token. False where another token with these bytes is known already: it stays.
  bool index(Token token);
  std::optional<Token> find(std::string_view bytes) const;
  /// Of the tokens that find() knows.
  size_t longest() const { return longest_; }

 private:
  struct Slot {
    uint32_t hash = 0, token_plus_one = 0;  // 0: empty
  };
  size_t slot_of(std::string_view bytes, uint32_t hash) const;
  void grow();

  std::string all_;
  std::vector<size_t> begins_ = {0};                   // of each token, and the end
  std::vector<Slot> slots_ = std::vector<Slot>(1024);  // a power of two, at most half full
  size_t indexed_ = 0, longest_ = 0;
};

}  // namespace assay
