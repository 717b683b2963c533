// What was found out about a text, for the next time that it comes.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "trace/string_table.h"

namespace assay {

/// Also guesses which text comes next: what came after the same texts before. Forgets everything when the texts have
/// grown beyond `most_bytes`: those that come often are soon known again.
template <typename Value>
class TextMemo {
 public:
  explicit TextMemo(size_t most_bytes) : most_bytes_(most_bytes) {}

  /// The text's value, a fresh one if it is not known. It stays where it is until the next call.
  Value& at(std::string_view text) {
    if (bytes_ > most_bytes_) *this = TextMemo(most_bytes_);
    const StringId id = texts_.intern(text);
    if (id >= known_.size()) {
      bytes_ += text.size() + sizeof(Known);
      known_.resize(id + 1);
    }
    return came(id);
  }

  std::string_view expected() const { return texts_.text(expected_id()); }
  /// at(expected()), without looking for it.
  Value& at_expected() { return came(expected_id()); }

 private:
  static constexpr size_t kHistory = 8192;  // texts; a decoded token has about a thousand lines
  struct Known {
    Value value;
    uint32_t came_at = 0;  // in the history
  };

  StringId expected_id() const { return history_[follow_ % kHistory]; }
  Value& came(StringId id) {
    // As long as the guesses are right the past is followed on; a wrong one leads to where this text came last.
    follow_ = (expected_id() == id ? follow_ : known_[id].came_at) + 1;
    known_[id].came_at = now_;
    history_[now_++ % kHistory] = id;
    return known_[id].value;
  }

  size_t most_bytes_, bytes_ = 0;
  StringTable texts_;
  std::vector<Known> known_ = std::vector<Known>(1);                           // by string
  std::vector<StringId> history_ = std::vector<StringId>(kHistory, kMissing);  // a ring
  uint32_t now_ = 0, follow_ = 0;
};

}  // namespace assay
