// Two sets of samples → is one faster, and how sure is that?
#include "stats/comparison.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

// Under H0 (one distribution) U has mean n1·n2/2 and variance n1·n2/12·((N+1) − Σ(t³−t)/(N(N−1))) over groups of t
// equal samples: a coarse clock makes many. Normal with continuity correction, which errs towards a larger p: with five
// samples a side p never falls below 0.01, with six it can.
double mann_whitney_p(std::span<const CountedValue> a, std::span<const CountedValue> b) {
  double na = 0, nb = 0, below = 0, rank_sum = 0, tie_term = 0;
  for (const CountedValue& each : a) na += double(each.count);
  for (const CountedValue& each : b) nb += double(each.count);
  if (na == 0 || nb == 0) return 1;
  for (auto in_a = a.begin(), in_b = b.begin(); in_a != a.end() || in_b != b.end();) {
    const double value = in_b == b.end() || (in_a != a.end() && in_a->value < in_b->value) ? in_a->value : in_b->value;
    double from_a = 0, ties = 0;
    for (; in_a != a.end() && in_a->value == value; ++in_a) from_a += double(in_a->count);
    for (; in_b != b.end() && in_b->value == value; ++in_b) ties += double(in_b->count);
    ties += from_a;
    rank_sum += from_a * (below + (ties + 1) / 2);
    tie_term += ties * ties * ties - ties;
    below += ties;
  }
  const double n = na + nb;
  const double u = rank_sum - na * (na + 1) / 2;
  const double variance = na * nb / 12 * ((n + 1) - tie_term / (n * (n - 1)));
  if (variance <= 0) return 1;  // all samples equal
  const double z = std::max(0.0, std::abs(u - na * nb / 2) - 0.5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

std::vector<CountedValue> counted(std::span<const double> samples) {
  std::vector<CountedValue> values;
  for (const double sample : samples) {
    ASSAY_CHECK(!std::isnan(sample));
    values.push_back({sample, 1});
  }
  std::sort(values.begin(), values.end(),
            [](const CountedValue& a, const CountedValue& b) { return a.value < b.value; });
  return values;
}

// log(after/before) is a difference of two log medians, and an order-statistic interval stays one under log. MOVER (Zou
// & Donner 2008) joins two such intervals into one of the difference: the distance from an estimate to its limit
// is 1.96 standard errors on that side, so distances add as squares: low = d − √((m2−l2)² + (u1−m1)²). Unlike a
// bootstrap of medians it needs no seed, is asymmetric where the data are, and keeps the exact coverage of its parts
// when samples are few.
void set_ratio(Comparison& comparison, const Summary& before, const Summary& after, double resolution) {
  if (!(before.median > 0 && after.median > 0) || std::isinf(before.median) || std::isinf(after.median)) return;
  const auto log_distance = [](double near, double far) { return far > 0 ? std::abs(std::log(far / near)) : INFINITY; };
  const double most_after = after.ci_high + resolution, most_before = before.ci_high + resolution;
  comparison.ratio = after.median / before.median;
  comparison.ratio_low = comparison.ratio * std::exp(-std::hypot(log_distance(after.median, after.ci_low),
                                                                 log_distance(before.median, most_before)));
  comparison.ratio_high = comparison.ratio * std::exp(std::hypot(log_distance(after.median, most_after),
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

Comparison compare_counted(std::span<const CountedValue> before, std::span<const CountedValue> after, double threshold,
                           double resolution, double significant) {
  constexpr size_t kLeast = 5;
  const Summary summary_before = summarize_counted(before), summary_after = summarize_counted(after);
  Comparison comparison;
  set_ratio(comparison, summary_before, summary_after, resolution);
  comparison.p_value = mann_whitney_p(before, after);
  if (summary_before.count < kLeast || summary_after.count < kLeast || comparison.ratio == 0) return comparison;
  const double low = comparison.ratio_low, high = comparison.ratio_high;
  if (low >= 1 - threshold && high <= 1 + threshold)
    comparison.verdict = Verdict::same;
  else if (comparison.p_value < significant && high < 1 - threshold)
    comparison.verdict = Verdict::faster;
  else if (comparison.p_value < significant && low > 1 + threshold)
    comparison.verdict = Verdict::slower;
  return comparison;
}

Comparison compare_times(std::span<const double> before, std::span<const double> after, double threshold) {
  return compare_counted(counted(before), counted(after), threshold);
}

bool tied(const Summary& a, const Summary& b, double limit) {
  if (a.count == 0 || b.count == 0) return false;
  const bool overlap = a.ci_low <= b.ci_high && b.ci_low <= a.ci_high;
  return overlap && std::abs(a.median - b.median) <= limit * std::min(a.median, b.median);
}

}  // namespace assay
