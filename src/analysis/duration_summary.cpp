// Doubles in a fixed order, so that every machine prints the same digits.
#include "analysis/duration_summary.h"

#include <fmt/format.h>

#include <cmath>

namespace assay {
namespace {

using Sorted = std::vector<std::pair<Int128, uint64_t>>;

/// The value at `rank` (from 0) of all samples.
double at_rank(const Sorted& values, uint64_t rank) {
  uint64_t before = 0;
  for (const auto& [us, count] : values) {
    before += count;
    if (rank < before) return static_cast<double>(us);
  }
  return static_cast<double>(values.back().first);
}

double percentile_us(const Sorted& values, uint64_t count, double percent) {
  const double rank = percent / 100.0 * static_cast<double>(count - 1);
  const double lower = std::floor(rank), upper = std::ceil(rank);
  const double below = at_rank(values, static_cast<uint64_t>(lower));
  if (lower == upper) return below;
  const double weight = rank - lower;
  return below * (1 - weight) + at_rank(values, static_cast<uint64_t>(upper)) * weight;
}

}  // namespace

DurationSummary summarize(const DurationCounts& durations) {
  const Sorted values = durations.sorted();
  DurationSummary s;
  if (values.empty()) return s;
  for (const auto& [us, count] : values) {
    s.count += count;
    s.total_us += us * static_cast<Int128>(count);
  }
  s.total_ms = static_cast<double>(s.total_us) / 1000.0;
  s.avg_ms = s.total_ms / static_cast<double>(s.count);
  s.min_ms = static_cast<double>(values.front().first) / 1000.0;
  s.max_ms = static_cast<double>(values.back().first) / 1000.0;
  s.p95_ms = percentile_us(values, s.count, 95) / 1000.0;
  s.p99_ms = percentile_us(values, s.count, 99) / 1000.0;
  return s;
}

DurationCounts DurationParts::together() const {
  DurationCounts all;
  for (const DurationCounts* part : parts_) all.add(*part);
  return all;
}

DurationSummary DurationParts::summary() const {
  return parts_.size() == 1 ? summarize(*parts_[0]) : summarize(together());
}

std::string summary_line(std::string_view title, const DurationSummary& s, size_t indent) {
  const std::string pad(indent, ' ');
  if (s.count == 0) return fmt::format("{}{}: no samples\n", pad, title);
  return fmt::format(
      "{}{}: count={} | total={:.2f}ms | avg={:.3f}ms | min={:.3f}ms | max={:.3f}ms | p95_ms={:.3f}ms, "
      "p99_ms={:.3f}ms\n",
      pad, title, s.count, s.total_ms, s.avg_ms, s.min_ms, s.max_ms, s.p95_ms, s.p99_ms);
}

}  // namespace assay
