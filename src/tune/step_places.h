// Where the ops of a step stand: each behind the op that runs before it. What an op finds there (its operands in the
// cache of another core, a cache that others filled) it does not find in a chain of its own calls.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/device.h"

namespace assay {

/// Launches of one op that stand behind launches of one other.
struct StepPlace {
  size_t op = 0;
  size_t before = SIZE_MAX;      // none: the first launch of a step
  std::vector<size_t> launches;  // their numbers in the step
};

/// By which op each launch is of. In the order of their first launches: played so, the whole step lies between two
/// reads of a weight, as between two tokens.
std::vector<StepPlace> places_of(const std::vector<size_t>& step);

/// The launches of a place, each behind the one that runs before it; only they are clocked.
class PlacedLaunches {
 public:
  /// `step`: all launches of the step, in order.
  PlacedLaunches(const StepPlace& place, std::span<const Launch> step, Device& device);
  PlacedLaunches(const PlacedLaunches&) = delete;
  PlacedLaunches& operator=(const PlacedLaunches&) = delete;

  /// What they take together, in µs.
  double run();

 private:
  const bool is_first_;
  std::unique_ptr<Program> program_;
  std::vector<int64_t> ends_;
};

}  // namespace assay
