// The drawn order of one sample's launches.
#include "measure/sample_order.h"

#include <algorithm>
#include <numeric>

namespace assay {
namespace {

constexpr int64_t kSharesOfRotation = 16;

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

}  // namespace assay
