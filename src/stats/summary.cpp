// Samples of one case → summary with a confidence interval of the median.
#include "stats/summary.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

std::vector<double> sorted(std::span<const double> samples) {
  std::vector<double> result(samples.begin(), samples.end());
  for (const double sample : result) ASSAY_CHECK(!std::isnan(sample));
  std::sort(result.begin(), result.end());
  return result;
}

double percentile_of_sorted(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) return 0;
  const double rank = std::clamp(p, 0.0, 100.0) / 100 * double(sorted.size() - 1);
  const size_t below = size_t(rank);
  const double fraction = rank - double(below);
  if (fraction == 0) return sorted[below];
  return std::lerp(sorted[below], sorted[below + 1], fraction);
}

// Each of n independent samples lies below the true median with probability 1/2, so the number that do is Bin(n, 1/2),
// whatever the distribution: the median misses [x_(r), x_(n+1-r)] with probability 2·P(Bin(n, 1/2) <= r-1). We take the
// largest r that keeps this at 5 % or less. Below six samples not even r = 1 does (5 samples: 6.25 %); then the
// interval is [min, max], the widest that the data can speak for. Beyond 1,000 samples 2^-n leaves the doubles and the
// normal approximation is exact to the rank.
size_t low_rank(size_t n) {
  if (n < 6) return 1;
  if (n > 1000) return size_t(double(n) / 2 + 0.5 - 0.98 * std::sqrt(double(n)));
  double term = std::ldexp(1.0, -int(n)), below = 0;  // P(Bin = i), P(Bin < i)
  size_t i = 0;
  for (; below + term <= 0.025; ++i) {
    below += term;
    term *= double(n - i) / double(i + 1);
  }
  return i;
}

}  // namespace

Summary summarize(std::span<const double> samples) {
  Summary summary;
  if (samples.empty()) return summary;
  const std::vector<double> order = sorted(samples);
  const size_t n = order.size(), rank = low_rank(n);
  summary.count = n;
  summary.median = percentile_of_sorted(order, 50);
  summary.min = order.front();
  summary.max = order.back();
  summary.p95 = percentile_of_sorted(order, 95);
  summary.mean = std::accumulate(order.begin(), order.end(), 0.0) / double(n);
  summary.ci_low = order[rank - 1];
  summary.ci_high = order[n - rank];
  if (summary.median > 0)
    summary.spread = (percentile_of_sorted(order, 75) - percentile_of_sorted(order, 25)) / summary.median;
  return summary;
}

Summary summarize_counted(std::span<const CountedValue> ascending) {
  std::vector<uint64_t> up_to;  // samples up to and with each value
  Summary summary;
  double sum = 0;
  for (const auto& [value, count] : ascending) {
    up_to.push_back(summary.count += count);
    sum += value * double(count);
  }
  const size_t n = summary.count;
  if (n == 0) return summary;
  const auto at = [&](size_t index) {
    return ascending[size_t(std::upper_bound(up_to.begin(), up_to.end(), index) - up_to.begin())].value;
  };
  const auto at_percent = [&](double p) {
    const double rank = p / 100 * double(n - 1);
    const size_t below = size_t(rank);
    const double fraction = rank - double(below);
    return fraction == 0 ? at(below) : std::lerp(at(below), at(below + 1), fraction);
  };
  const size_t rank = low_rank(n);
  summary.median = at_percent(50);
  summary.min = at(0);
  summary.max = at(n - 1);
  summary.p95 = at_percent(95);
  summary.mean = sum / double(n);
  summary.ci_low = at(rank - 1);
  summary.ci_high = at(n - rank);
  if (summary.median > 0) summary.spread = (at_percent(75) - at_percent(25)) / summary.median;
  return summary;
}

double percentile(std::span<const double> samples, double p) { return percentile_of_sorted(sorted(samples), p); }

bool converged(const Summary& summary, double relative_width, size_t least) {
  return summary.count > 0 && summary.count >= least &&
         summary.ci_high - summary.ci_low <= relative_width * summary.median;
}

}  // namespace assay
