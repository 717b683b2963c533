// In which order the launches of one sample meet their copies of B and their outputs: drawn, so that a kernel cannot
// know where it is.
#pragma once
#include <cstdint>
#include <random>
#include <vector>

namespace assay {

class SampleOrder {
 public:
  /// One launch: its place in the rotation, the output that it writes.
  struct Played {
    int64_t place, slot;
  };
  /// The places up to `last`, so many as there are launches. Neighbours among them change places within a sixteenth of
  /// the rotation: more, and a copy would be met again while a cache still has it. Outputs come in any order; each is
  /// used again only when all have been.
  void draw(int64_t last, int64_t launches, int64_t slots, int64_t rotation, std::mt19937_64& random);

  const std::vector<Played>& launches() const { return launches_; }
  /// How many outputs were used, and the place of the last launch that wrote into one of them.
  int64_t used_slots() const { return int64_t(place_in_slot_.size()); }
  int64_t place_in_slot(int64_t slot) const { return place_in_slot_[size_t(slot)]; }

 private:
  std::vector<Played> launches_;
  std::vector<int64_t> place_in_slot_;
};

/// Which place of the rotation the launch at `position` meets, where each is a sample of its own: in each pass over the
/// rotation neighbours change places within a sixteenth of it. What came next in one pass does not in another.
int64_t drawn_place(int64_t position, int64_t rotation, uint64_t seed);

}  // namespace assay
