// Strings by number: each distinct string is kept once, at an address that never changes.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace assay {

using StringId = uint32_t;

/// What a line does not say. Its text is "<unknown>", as reports show it.
constexpr StringId kMissing = 0;

class StringTable {
 public:
  StringTable();

  /// The string's number: 0, 1, 2 … in order of first appearance.
  StringId intern(std::string_view text);
  std::string_view text(StringId id) const { return {entries_[id].text, entries_[id].length}; }
  /// How many strings there are; every smaller number is one.
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    const char* text;
    size_t length;
  };
  struct Slot {
    uint32_t hash, id_plus_one = 0;  // 0: empty
  };
  const char* keep(std::string_view text);
  void grow();

  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // a power of two, at most 3/4 full
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;
  size_t free_bytes_ = 0;
};

}  // namespace assay
