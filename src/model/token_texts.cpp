// Open addressing over one string of all bytes.
#include "model/token_texts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace assay {
namespace {
uint32_t hash_of(std::string_view bytes) { return static_cast<uint32_t>(XXH3_64bits(bytes.data(), bytes.size())); }
}  // namespace

void TokenTexts::add(std::string_view bytes) {
  all_ += bytes;
  begins_.push_back(all_.size());
}

size_t TokenTexts::slot_of(std::string_view bytes, uint32_t hash) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].token_plus_one != 0 && (slots_[at].hash != hash || text(slots_[at].token_plus_one - 1) != bytes))
    at = (at + 1) & mask;
  return at;
}

bool TokenTexts::index(Token token) {
  const std::string_view bytes = text(token);
  const uint32_t hash = hash_of(bytes);
  Slot& slot = slots_[slot_of(bytes, hash)];
  if (slot.token_plus_one != 0) return false;
  slot = {hash, token + 1};
  longest_ = std::max(longest_, bytes.size());
  if (++indexed_ * 2 > slots_.size()) grow();
  return true;
}

std::optional<Token> TokenTexts::find(std::string_view bytes) const {
  if (bytes.size() > longest_) return std::nullopt;
  const Slot& slot = slots_[slot_of(bytes, hash_of(bytes))];
  if (slot.token_plus_one == 0) return std::nullopt;
  return slot.token_plus_one - 1;
}

void TokenTexts::grow() {
  std::vector<Slot> larger(slots_.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.token_plus_one == 0) continue;
    size_t at = slot.hash & mask;
    while (larger[at].token_plus_one != 0) at = (at + 1) & mask;
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

}  // namespace assay
