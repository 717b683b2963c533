// The middle half of whole steps: what a step takes, and what each of its parts takes in it, so that parts add up.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace assay {

/// Which steps count, by what each takes as a whole: a quarter of them, rounded, is left out at either end. Of three
/// steps it is the one in the middle, of fewer all.
std::vector<size_t> middle_half(std::span<const double> totals);

/// The mean of those values; 0 of none. Of the totals themselves: what a step takes.
double mean_over(std::span<const double> values, std::span<const size_t> which);

/// What a step takes, and its 95 % interval by drawing as many steps anew (bootstrap, percentiles, always the same
/// draws).
struct StepTime {
  double mean = 0, low = 0, high = 0;
};
StepTime step_time(std::span<const double> totals);

}  // namespace assay
