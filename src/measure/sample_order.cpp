// The drawn order of one sample's launches.
#include "measure/sample_order.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/random.h"

namespace assay {
namespace {

constexpr int64_t kSharesOfRotation = 16;
constexpr int64_t kFewPlaces = 4;  // below, a copy that is met again early would be found in a cache
constexpr int64_t kMostTogether = 16;

}  // namespace

void SampleOrder::draw(int64_t last, int64_t launches, int64_t slots, int64_t rotation, std::mt19937_64& random) {
  const int64_t together = std::clamp(rotation / kSharesOfRotation, int64_t(1), launches);
  launches_.clear();
  for (int64_t i = 0; i < launches; ++i) launches_.push_back({last - (launches - 1 - i), 0});
  for (int64_t begin = 0; begin < launches; begin += together)
    std::shuffle(launches_.begin() + begin, launches_.begin() + std::min(begin + together, launches), random);

  place_in_slot_.assign(size_t(std::min(launches, slots)), 0);
  std::vector<int64_t> slot_of(place_in_slot_.size());
  std::iota(slot_of.begin(), slot_of.end(), 0);
  std::shuffle(slot_of.begin(), slot_of.end(), random);
  for (size_t i = 0; i < launches_.size(); ++i) {
    launches_[i].slot = slot_of[i % slot_of.size()];
    place_in_slot_[size_t(launches_[i].slot)] = launches_[i].place;
  }
}

int64_t drawn_place(int64_t position, int64_t rotation, uint64_t seed) {
  const int64_t index = position % rotation;
  if (rotation < kFewPlaces) return index;
  const int64_t together = std::clamp<int64_t>(rotation / kSharesOfRotation, 2, kMostTogether),
                first = index / together * together, count = std::min(together, rotation - first);
  std::array<int64_t, kMostTogether> places;
  std::iota(places.begin(), places.begin() + count, first);
  const uint64_t drawn = seed + random_bits(uint64_t(position - index + first));
  for (int64_t i = count - 1; i > 0; --i)
    std::swap(places[size_t(i)], places[random_bits(drawn + uint64_t(i)) % uint64_t(i + 1)]);
  return places[size_t(index - first)];
}

}  // namespace assay
