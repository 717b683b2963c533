// What was found out about a text, for the next time that it comes.
#pragma once
#include <string_view>
#include <vector>

#include "trace/string_table.h"

namespace assay {

/// Forgets everything when its texts have grown beyond `most_bytes`: those that come often are soon known again.
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
    known_[latest_].next = id;
    latest_ = id;
    return known_[id].value;
  }

  /// The text that came after this one when this one came before; "<unknown>" if that is not known.
  std::string_view expected() const { return texts_.text(known_[latest_].next); }
  /// at(expected()), without looking for it.
  Value& at_expected() {
    latest_ = known_[latest_].next;
    return known_[latest_].value;
  }

 private:
  struct Known {
    Value value;
    StringId next = kMissing;
  };
  size_t most_bytes_, bytes_ = 0;
  StringTable texts_;
  std::vector<Known> known_ = std::vector<Known>(1);  // by string
  StringId latest_ = kMissing;
};

}  // namespace assay
