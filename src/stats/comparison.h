// Two sets of samples → is one faster, and how sure is that?
#pragma once
#include <span>
#include <string_view>

#include "stats/summary.h"

namespace assay {

enum class Verdict { same, faster, slower, unsure };
std::string_view verdict_name(Verdict verdict);  // SAME, FASTER, SLOWER, UNSURE

struct Comparison {
  Verdict verdict = Verdict::unsure;
  double ratio = 0;                      // median(after) / median(before)
  double ratio_low = 0, ratio_high = 0;  // 95 % confidence interval of the ratio, from the two medians' intervals
  double p_value = 1;                    // two-sided Mann–Whitney U with tie correction
};

/// Times before and after. SAME: the whole interval within ±threshold of 1; FASTER / SLOWER: p < 0.01 and the whole
/// interval beyond the threshold; UNSURE otherwise (also with fewer than 5 samples on a side).
Comparison compare_times(std::span<const double> before, std::span<const double> after, double threshold = 0.03);

/// The same of values that were counted; both ascend. A clock that cuts off what is below `resolution` lets a median
/// lie that much higher than it says. SLOWER and FASTER need p < `significant`: divide it by the number of comparisons
/// that one reads.
Comparison compare_counted(std::span<const CountedValue> before, std::span<const CountedValue> after,
                           double threshold = 0.03, double resolution = 0, double significant = 0.01);

/// A tie: the confidence intervals of the medians overlap and the medians are at most `limit` apart, relative to the
/// smaller.
bool tied(const Summary& a, const Summary& b, double limit = 0.05);

}  // namespace assay
