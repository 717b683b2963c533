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

double percentile(std::span<const double> samples, double p) { return percentile_of_sorted(sorted(samples), p); }

bool converged(const Summary& summary, double relative_width, size_t least) {
  return summary.count > 0 && summary.count >= least &&
         summary.ci_high - summary.ci_low <= relative_width * summary.median;
}

}  // namespace assay
