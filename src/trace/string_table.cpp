// Open addressing over an arena of characters.
#include "trace/string_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace assay {
namespace {
constexpr size_t kBlockBytes = 32768;
}

StringTable::StringTable() : slots_(64) { intern("<unknown>"); }

StringId StringTable::intern(std::string_view text) {
  const auto hash = static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    Slot& slot = slots_[at];
    if (slot.id_plus_one == 0) {
      entries_.push_back({keep(text), text.size()});
      slot = {hash, static_cast<uint32_t>(entries_.size())};
      if (entries_.size() * 4 > slots_.size() * 3) grow();
      return static_cast<StringId>(entries_.size() - 1);
    }
    if (slot.hash != hash) continue;
    const Entry& entry = entries_[slot.id_plus_one - 1];
    if (entry.length == text.size() && std::memcmp(entry.text, text.data(), text.size()) == 0)
      return slot.id_plus_one - 1;
  }
}

const char* StringTable::keep(std::string_view text) {
  if (text.size() > kBlockBytes / 4) {  // a block of its own, so that the current one is not given up
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(text.size()));
    std::memcpy(blocks_.back().get(), text.data(), text.size());
    return blocks_.back().get();
  }
  if (text.size() > free_bytes_) {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
    free_ = blocks_.back().get();
    free_bytes_ = kBlockBytes;
  }
  char* kept = free_;
  if (!text.empty()) std::memcpy(kept, text.data(), text.size());
  free_ += text.size();
  free_bytes_ -= text.size();
  return kept;
}

void StringTable::grow() {
  std::vector<Slot> larger(slots_.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.id_plus_one == 0) continue;
    size_t at = slot.hash & mask;
    while (larger[at].id_plus_one != 0) at = (at + 1) & mask;
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

}  // namespace assay
