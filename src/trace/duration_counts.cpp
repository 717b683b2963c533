// Two hash tables, 8 and 32 bytes a distinct value.
#include "trace/duration_counts.h"

#include <algorithm>
#include <limits>

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

template <typename Visit>
void DurationCounts::each(Visit visit) const {
  for (const auto& place : small_.places)
    if (place.count != 0) visit(Int128(place.value), uint64_t(place.count));
  for (const auto& place : large_.places)
    if (place.count != 0) visit(place.value, place.count);
}

void DurationCounts::add(const DurationCounts& other) {
  other.each([this](Int128 us, uint64_t count) { add(us, count); });
}

std::vector<std::pair<Int128, uint64_t>> DurationCounts::sorted() const {
  std::vector<std::pair<Int128, uint64_t>> all;
  all.reserve(small_.used + large_.used);
  each([&all](Int128 us, uint64_t count) { all.emplace_back(us, count); });
  std::sort(all.begin(), all.end());
  size_t kept = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (kept > 0 && all[kept - 1].first == all[i].first)
      all[kept - 1].second += all[i].second;  // in both tables
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
