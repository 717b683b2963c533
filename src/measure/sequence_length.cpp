// How many launches make a sample.
#include "measure/sequence_length.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace assay {
namespace {

constexpr double kSequenceUs = 4000;  // a sequence takes about this long, or has as many launches as the device wants
constexpr int64_t kShortSequence = 200;  // with fewer short launches its begin and end would be felt
constexpr double kLeastLaunchUs = 0.1;   // nothing is faster, whatever a clock says

}  // namespace

SequenceLength::SequenceLength(int64_t least, int64_t most, int64_t slots, std::vector<bool> checkable)
    : checkable_(std::move(checkable)), least_(least) {
  if (first_checkable() >= std::max(int64_t(checkable_.size()), int64_t(1)))
    fail("no copy of the weights has a reference");
  most_ = std::max(least, std::min(most, slots - longest_extension()));
}

void SequenceLength::choose(double launch_us) {
  length_ =
      most_ == least_ ? most_ : std::clamp(int64_t(kSequenceUs / std::max(launch_us, kLeastLaunchUs)), least_, most_);
}

bool SequenceLength::was_too_short(double launch_us) {
  const int64_t before = length_;
  if (before == 1 || before >= kShortSequence || kSequenceUs / launch_us < kShortSequence) return false;
  choose(launch_us);
  return length_ > before;
}

int64_t SequenceLength::from(int64_t position) const {
  int64_t length = length_;
  if (is_sequence())
    while (!is_checkable(position + length - 1)) ++length;
  return length;
}

int64_t SequenceLength::first_checkable() const {
  return std::find(checkable_.begin(), checkable_.end(), true) - checkable_.begin();
}

int64_t SequenceLength::longest_extension() const {
  int64_t longest = 0, since = 0;
  for (int64_t i = 0; i < 2 * int64_t(checkable_.size()); ++i) {
    since = is_checkable(i) ? 0 : since + 1;
    longest = std::max(longest, since);
  }
  return longest;
}

}  // namespace assay
