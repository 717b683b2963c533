// What tuning found, for people.
#pragma once
#include <string>

#include "tune/tuner.h"

namespace assay {

/// The choice of each op with its times alone, and the prediction; at most `width` columns wide (0: as it needs).
std::string choice_text(const TuneResult& result, int64_t depth, bool prefill, size_t width = 0);
/// Predicted beside achieved, and whether the table pays; entries that were taken back are named.
std::string proof_text(const TuneResult& result, int64_t depth, bool prefill, size_t width = 0);

/// The median of after / before over the turns, and its interval.
struct TurnRatio {
  double median = 0, low = 0, high = 0;
  size_t turns = 0;
};
TurnRatio turn_ratio(const std::vector<double>& before, const std::vector<double>& after);

}  // namespace assay
