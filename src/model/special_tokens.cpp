// Tokens whose pairs of bytes the text does not have are passed over; the rest are looked for by a rolling hash.
#include "model/special_tokens.h"

#include <algorithm>
#include <bitset>
#include <memory>

namespace assay {
namespace {

constexpr uint64_t kBase = 0x9e3779b97f4a7c15;

uint64_t value(char c) { return static_cast<unsigned char>(c) + 1u; }

uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0;
  for (const char c : text) hash = hash * kBase + value(c);
  return hash;
}

/// A set of bytes, and of pairs of neighbours.
class Neighbours {
 public:
  void add(std::string_view text) {
    for (const char c : text) bytes_.set(static_cast<unsigned char>(c));
    for (size_t i = 1; i < text.size(); ++i) pairs_.set(pair(text, i));
  }
  bool has(char c) const { return bytes_.test(static_cast<unsigned char>(c)); }
  /// The byte at `i` after the one before it.
  bool has(std::string_view text, size_t i) const { return pairs_.test(pair(text, i)); }
  bool may_contain(std::string_view part) const {
    if (!has(part[0])) return false;
    for (size_t i = 1; i < part.size(); ++i)
      if (!has(part, i)) return false;
    return true;
  }

 private:
  static size_t pair(std::string_view text, size_t i) {
    return size_t(static_cast<unsigned char>(text[i - 1])) << 8 | static_cast<unsigned char>(text[i]);
  }
  std::bitset<256> bytes_;
  std::bitset<65536> pairs_;
};

struct Stretch {
  size_t begin, end;
};

/// Where the text has nothing but neighbours of the set: a token lies in one stretch.
std::vector<Stretch> stretches_of(std::string_view text, const Neighbours& neighbours) {
  std::vector<Stretch> stretches;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    if (neighbours.has(text[begin])) {
      while (end < text.size() && neighbours.has(text, end)) ++end;
      stretches.push_back({begin, end});
    }
    begin = end;
  }
  return stretches;
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

void SpecialTokens::add(Token token, std::string_view text, bool takes_blanks) {
  auto at = std::lower_bound(lengths_.begin(), lengths_.end(), text.size(),
                             [](const Length& length, size_t bytes) { return length.bytes > bytes; });
  if (at == lengths_.end() || at->bytes != text.size()) at = lengths_.insert(at, {text.size(), {}});
  at->entries.push_back({text, token, takes_blanks});
}

/// The entries of one length that a text may have.
class SpecialTokens::Finder {
 public:
  explicit Finder(size_t bytes) : bytes_(bytes) {
    for (size_t i = 0; i < bytes_; ++i) leaving_ *= kBase;
  }
  void add(const Entry& entry) {
    const uint64_t hash = hash_of(entry.text);
    by_hash_.emplace(hash, &entry);
    low_bits_.set(hash % low_bits_.size());
  }
  size_t bytes() const { return bytes_; }
  bool empty() const { return by_hash_.empty(); }

  /// Appends the tokens in the stretch, and to `left` what lies between them.
  void search(std::string_view text, const Stretch& in, std::vector<Found>& found, std::vector<Stretch>& left) const {
    size_t done = in.begin, hashed = 0;
    uint64_t hash = 0;
    for (size_t at = in.begin; at < in.end;) {
      hash = hash * kBase + value(text[at++]);
      if (hashed == bytes_)
        hash -= leaving_ * value(text[at - 1 - bytes_]);
      else if (++hashed < bytes_)
        continue;
      const size_t begin = at - bytes_;
      const Entry* entry = find(text.substr(begin, bytes_), hash);
      if (!entry) continue;
      found.push_back({begin, entry});
      if (begin > done) left.push_back({done, begin});
      done = at;
      hash = hashed = 0;
    }
    if (done < in.end) left.push_back({done, in.end});
  }

 private:
  const Entry* find(std::string_view text, uint64_t hash) const {
    if (!low_bits_.test(hash % low_bits_.size())) return nullptr;
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto at = begin; at != end; ++at)
      if (at->second->text == text) return at->second;
    return nullptr;
  }

  size_t bytes_;
  std::unordered_multimap<uint64_t, const Entry*> by_hash_;
  std::bitset<4096> low_bits_;
  uint64_t leaving_ = 1;
};

std::vector<SpecialTokens::Part> SpecialTokens::split(std::string_view text) const {
  std::vector<Found> found = find_all(text);
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.begin < b.begin; });
  std::vector<Part> parts;
  size_t done = 0;
  for (const Found& at : found) {
    if (at.begin > done) parts.push_back({done, at.begin - done});
    const size_t bytes = at.entry->text.size();
    parts.push_back({at.begin, bytes, at.entry->token});
    done = std::max(done, at.begin + bytes);
    while (at.entry->takes_blanks && done < text.size() && is_blank(text[done])) ++done;
  }
  if (done < text.size()) parts.push_back({done, text.size() - done});
  return parts;
}

std::vector<SpecialTokens::Found> SpecialTokens::find_all(std::string_view text) const {
  std::vector<Found> found;
  if (lengths_.empty() || text.size() < lengths_.back().bytes) return found;
  const auto in_text = std::make_unique<Neighbours>(), in_tokens = std::make_unique<Neighbours>();
  in_text->add(text);
  std::vector<Finder> finders;
  for (const Length& length : lengths_) {
    if (length.bytes > text.size()) continue;
    Finder finder(length.bytes);
    for (const Entry& entry : length.entries)
      if (in_text->may_contain(entry.text)) {
        finder.add(entry);
        in_tokens->add(entry.text);
      }
    if (!finder.empty()) finders.push_back(std::move(finder));
  }
  if (finders.empty()) return found;
  std::vector<Stretch> stretches = stretches_of(text, *in_tokens), left;
  for (const Finder& finder : finders) {
    left.clear();
    for (const Stretch& stretch : stretches)
      if (stretch.end - stretch.begin >= finder.bytes())
        finder.search(text, stretch, found, left);
      else
        left.push_back(stretch);
    std::swap(stretches, left);
  }
  return found;
}

}  // namespace assay
