// Two sets of samples → is one faster, and how sure is that?
#include "stats/comparison.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

// Under H0 (one distribution) U has mean n1·n2/2 and variance n1·n2/12·((N+1) − Σ(t³−t)/(N(N−1))) over groups of t
// equal samples: a coarse clock makes many. Normal with continuity correction, which errs towards a larger p: with five
// samples a side p never falls below 0.01, with six it can.
double mann_whitney_p(std::span<const double> a, std::span<const double> b) {
  if (a.empty() || b.empty()) return 1;
  std::vector<std::pair<double, bool>> all;  // value, is from a
  for (const double value : a) all.emplace_back(value, true);
  for (const double value : b) all.emplace_back(value, false);
  std::sort(all.begin(), all.end());
  double rank_sum = 0, tie_term = 0;
  for (size_t first = 0, last = 0; first < all.size(); first = last) {
    double from_a = 0;
    for (; last < all.size() && all[last].first == all[first].first; ++last) from_a += all[last].second;
    const double ties = double(last - first);
    rank_sum += from_a * (double(first) + (ties + 1) / 2);
    tie_term += ties * ties * ties - ties;
  }
  const double na = double(a.size()), nb = double(b.size()), n = na + nb;
  const double u = rank_sum - na * (na + 1) / 2;
  const double variance = na * nb / 12 * ((n + 1) - tie_term / (n * (n - 1)));
  if (variance <= 0) return 1;  // all samples equal
  const double z = std::max(0.0, std::abs(u - na * nb / 2) - 0.5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

// log(after/before) is a difference of two log medians, and an order-statistic interval stays one under log. MOVER (Zou
// & Donner 2008) joins two such intervals into one of the difference: the distance from an estimate to its limit
// is 1.96 standard errors on that side, so distances add as squares: low = d − √((m2−l2)² + (u1−m1)²). Unlike a
// bootstrap of medians it needs no seed, is asymmetric where the data are, and keeps the exact coverage of its parts
// when samples are few.
void set_ratio(Comparison& comparison, const Summary& before, const Summary& after) {
  if (!(before.median > 0 && after.median > 0) || std::isinf(before.median) || std::isinf(after.median)) return;
  const auto log_distance = [](double near, double far) { return far > 0 ? std::abs(std::log(far / near)) : INFINITY; };
  comparison.ratio = after.median / before.median;
  comparison.ratio_low = comparison.ratio * std::exp(-std::hypot(log_distance(after.median, after.ci_low),
                                                                 log_distance(before.median, before.ci_high)));
  comparison.ratio_high = comparison.ratio * std::exp(std::hypot(log_distance(after.median, after.ci_high),
                                                                 log_distance(before.median, before.ci_low)));
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::same:
      return "SAME";
    case Verdict::faster:
      return "FASTER";
    case Verdict::slower:
      return "SLOWER";
    case Verdict::unsure:
      return "UNSURE";
  }
  ASSAY_CHECK(!"a verdict without a name");
  return "";
}

Comparison compare_times(std::span<const double> before, std::span<const double> after, double threshold) {
  constexpr size_t kLeast = 5;
  constexpr double kSignificant = 0.01;
  Comparison comparison;
  set_ratio(comparison, summarize(before), summarize(after));
  comparison.p_value = mann_whitney_p(before, after);
  if (before.size() < kLeast || after.size() < kLeast || comparison.ratio == 0) return comparison;
  const double low = comparison.ratio_low, high = comparison.ratio_high;
  if (low >= 1 - threshold && high <= 1 + threshold)
    comparison.verdict = Verdict::same;
  else if (comparison.p_value < kSignificant && high < 1 - threshold)
    comparison.verdict = Verdict::faster;
  else if (comparison.p_value < kSignificant && low > 1 + threshold)
    comparison.verdict = Verdict::slower;
  return comparison;
}

bool tied(const Summary& a, const Summary& b, double limit) {
  if (a.count == 0 || b.count == 0) return false;
  const bool overlap = a.ci_low <= b.ci_high && b.ci_low <= a.ci_high;
  return overlap && std::abs(a.median - b.median) <= limit * std::min(a.median, b.median);
}

}  // namespace assay
