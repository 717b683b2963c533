// Where the ops of a step stand: each behind the ops that run before it. What an op finds there (its operands in the
// cache of another core, a cache that others filled) it does not find in a chain of its own calls.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/device.h"

namespace assay {

/// Launches of one op that stand behind launches of the same others.
struct StepPlace {
  size_t op = 0;
  std::vector<size_t> before;    // ops, the nearest last; none: the first launch of a step
  std::vector<size_t> launches;  // their numbers in the step
};

/// By which op each launch is of. What stands before an op goes back to the nearest that is large, over three at most:
/// a norm leaves as it was what the product before it left. In the order of their first launches: played so, the whole
/// step lies between two reads of a weight, as between two tokens.
std::vector<StepPlace> places_of(const std::vector<size_t>& step, const std::function<bool(size_t op)>& is_large);

/// The launches of a place, each behind those that run before it; only they are clocked.
class PlacedLaunches {
 public:
  /// `step`: all launches of the step, in order.
  PlacedLaunches(const StepPlace& place, std::span<const Launch> step, Device& device);
  PlacedLaunches(const PlacedLaunches&) = delete;
  PlacedLaunches& operator=(const PlacedLaunches&) = delete;

  /// What they take together, in µs.
  double run();

 private:
  const size_t before_;
  std::unique_ptr<Program> program_;
  std::vector<int64_t> ends_;
};

}  // namespace assay
