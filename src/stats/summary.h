// Samples of one case → summary with a confidence interval of the median.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace assay {

/// All in the samples' own unit (µs everywhere in assay).
struct Summary {
  size_t count = 0;
  double median = 0, min = 0, max = 0, p95 = 0, mean = 0;
  double ci_low = 0,
         ci_high = 0;  // 95 % confidence interval of the median, from order statistics (no normality assumed)
  double spread = 0;   // relative: (p75 - p25) / median
};

/// Summary of the samples; count 0 gives all zeros. Percentile p: rank p/100·(n−1), linear between neighbours.
Summary summarize(std::span<const double> samples);

/// A value that was seen `count` times.
struct CountedValue {
  double value = 0;
  uint64_t count = 0;
};

/// The same of counted values, which ascend.
Summary summarize_counted(std::span<const CountedValue> ascending);

/// The p-th percentile (0…100) by that rule; samples need not be sorted.
double percentile(std::span<const double> samples, double p);

/// Whether the interval is narrow enough: (ci_high - ci_low) / median <= relative_width, with at least `least` samples.
bool converged(const Summary& summary, double relative_width, size_t least = 10);

}  // namespace assay
