// Two hash tables, 8 and 32 bytes a distinct value.
#include "analysis/duration_counts.h"

#include <algorithm>

namespace assay {

template <typename Value, typename Count>
Count& DurationCounts::Table<Value, Count>::count_of(Value value) {
  if ((used + 1) * 4 > places.size() * 3) {
    std::vector<Place> larger(places.empty() ? 4 : places.size() * 2);
    const size_t mask = larger.size() - 1;
    for (const Place& place : places) {
      if (place.count == 0) continue;
      size_t at = hash(place.value) & mask;
      while (larger[at].count != 0) at = (at + 1) & mask;
      larger[at] = place;
    }
    places = std::move(larger);
  }
  const size_t mask = places.size() - 1;
  size_t at = hash(value) & mask;
  while (places[at].count != 0 && places[at].value != value) at = (at + 1) & mask;
  if (places[at].count == 0) {
    places[at].value = value;
    ++used;
  }
  return places[at].count;
}

void DurationCounts::add(Int128 us, uint64_t times) {
  if (times == 0) return;
  if (us >= 0 && us <= std::numeric_limits<uint32_t>::max() && times <= std::numeric_limits<uint32_t>::max()) {
    uint32_t& count = small_.count_of(static_cast<uint32_t>(us));
    if (count <= std::numeric_limits<uint32_t>::max() - static_cast<uint32_t>(times)) {
      count += static_cast<uint32_t>(times);
      return;
    }
  }
  large_.count_of(us) += times;
}

void DurationCounts::settle() {
  for (uint32_t i = 0; i < waiting_count_; ++i) small_.fetch(waiting_[i]);
  for (uint32_t i = 0; i < waiting_count_; ++i) add(waiting_[i], 1);
  waiting_count_ = 0;
}

template <typename Visit>
void DurationCounts::each(Visit visit) const {
  for (uint32_t i = 0; i < waiting_count_; ++i) visit(Int128(waiting_[i]), uint64_t(1));
  for (const auto& place : small_.places)
    if (place.count != 0) visit(Int128(place.value), uint64_t(place.count));
  for (const auto& place : large_.places)
    if (place.count != 0) visit(place.value, place.count);
}

void DurationCounts::add(const DurationCounts& other) {
  if (empty()) {
    *this = other;
    return;
  }
  other.each([this](Int128 us, uint64_t count) { add(us, count); });
}

void DurationCounts::remove(const DurationCounts& other) {
  if (other.empty()) return;
  const auto all = sorted(), less = other.sorted();
  *this = {};
  auto next = less.begin();
  for (auto [us, count] : all) {
    if (next != less.end() && next->first == us) count -= (next++)->second;
    add(us, count);
  }
}

std::vector<std::pair<Int128, uint64_t>> DurationCounts::sorted() const {
  std::vector<uint64_t> small;  // value above count: quick to sort
  small.reserve(small_.used + waiting_count_);
  for (const auto& place : small_.places)
    if (place.count != 0) small.push_back(uint64_t(place.value) << 32 | place.count);
  for (uint32_t i = 0; i < waiting_count_; ++i) small.push_back(uint64_t(waiting_[i]) << 32 | 1);
  std::sort(small.begin(), small.end());
  std::vector<std::pair<Int128, uint64_t>> all;
  all.reserve(small.size() + large_.used);
  for (const uint64_t place : small) all.emplace_back(place >> 32, place & UINT32_MAX);
  for (const auto& place : large_.places)
    if (place.count != 0) all.emplace_back(place.value, place.count);
  if (large_.used > 0) std::sort(all.begin(), all.end());
  size_t kept = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (kept > 0 && all[kept - 1].first == all[i].first)
      all[kept - 1].second += all[i].second;  // in both tables, or waiting
    else
      all[kept++] = all[i];
  }
  all.resize(kept);
  return all;
}

uint64_t DurationCounts::count() const {
  uint64_t n = 0;
  each([&n](Int128, uint64_t count) { n += count; });
  return n;
}

Int128 DurationCounts::total_us() const {
  Int128 total = 0;
  each([&total](Int128 us, uint64_t count) { total += us * static_cast<Int128>(count); });
  return total;
}

}  // namespace assay
