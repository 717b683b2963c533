// Count, sum, mean, extremes and percentiles of durations, and the line that shows them.
#pragma once
#include <string>
#include <string_view>

#include "analysis/duration_counts.h"

namespace assay {

struct DurationSummary {
  uint64_t count = 0;
  Int128 total_us = 0;
  double total_ms = 0, avg_ms = 0, min_ms = 0, max_ms = 0, p95_ms = 0, p99_ms = 0;  // 0 without samples
};

/// Percentiles are linear between the two nearest ranks.
DurationSummary summarize(const DurationCounts& durations);

/// Durations that were counted in several places. It refers to them.
class DurationParts {
 public:
  void add(const DurationCounts& part) { parts_.push_back(&part); }
  DurationCounts together() const;
  DurationSummary summary() const;

 private:
  std::vector<const DurationCounts*> parts_;
};

/// "TITLE: count=2 | total=0.30ms | avg=…" or "TITLE: no samples", after `indent` blanks, with a line end.
std::string summary_line(std::string_view title, const DurationSummary& summary, size_t indent = 2);

}  // namespace assay
