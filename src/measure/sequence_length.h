// How many launches make a sample.
#pragma once
#include <cstdint>
#include <vector>

namespace assay {

/// Launches too short to be timed alone are timed together: so many as take about 4 ms, within limits.
class SequenceLength {
 public:
  /// How many launches `from` adds at most, for those who make room: a few copies away there is one with a reference.
  static constexpr int64_t kRoomToExtend = 16;

  /// least, most: launches of a sample. slots: outputs there is room for, which bounds `most`. checkable: which
  /// positions of the rotation have a reference; empty if nothing is compared. Error if none of them has.
  SequenceLength(int64_t least, int64_t most, int64_t slots, std::vector<bool> checkable);

  /// By what one launch takes, in µs.
  void choose(double launch_us);
  /// A launch alone takes longer than one of many: where that made sequences too short they become longer, and this
  /// one, of so many µs a launch, was no sample.
  bool was_too_short(double launch_us);
  /// Of the sample that begins at this position of the rotation: if it is a sequence it goes on to a launch whose copy
  /// has a reference.
  int64_t from(int64_t position) const;
  /// The first position with a reference; 0 if nothing is compared.
  int64_t first_checkable() const;
  bool is_sequence() const { return length_ > 1; }

 private:
  int64_t longest_extension() const;
  bool is_checkable(int64_t position) const {
    return checkable_.empty() || checkable_[uint64_t(position) % checkable_.size()];
  }

  std::vector<bool> checkable_;
  int64_t least_, most_, length_ = 1;
};

}  // namespace assay
