// The middle half of whole steps.
#include "stats/middle_half.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "stats/summary.h"

namespace assay {
namespace {

constexpr size_t kDraws = 1000;

double middle_mean(std::span<const double> totals) { return mean_over(totals, middle_half(totals)); }

}  // namespace

// The mean of all steps answers to every disturbance from outside. The sum of each part's median forgets what strikes
// another part in every step: a timer's tick, a refresh of memory. A whole step holds that, and so does the mean of its
// parts over the same steps: means over one set of steps add up, medians do not.
std::vector<size_t> middle_half(std::span<const double> totals) {
  std::vector<size_t> order(totals.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return totals[a] < totals[b]; });
  const auto out = std::ptrdiff_t((totals.size() + 1) / 4);
  std::vector<size_t> middle(order.begin() + out, order.end() - out);
  std::sort(middle.begin(), middle.end());
  return middle;
}

double mean_over(std::span<const double> values, std::span<const size_t> which) {
  double sum = 0;
  for (const size_t i : which) sum += values[i];
  return which.empty() ? 0 : sum / double(which.size());
}

StepTime step_time(std::span<const double> totals) {
  StepTime time{middle_mean(totals)};
  if (totals.empty()) return time;
  std::vector<double> means, drawn(totals.size());
  uint64_t counter = 0;
  for (size_t draw = 0; draw < kDraws; ++draw) {
    for (double& value : drawn) value = totals[random_bits(counter++) % totals.size()];
    means.push_back(middle_mean(drawn));
  }
  time.low = percentile(means, 2.5), time.high = percentile(means, 97.5);
  return time;
}

}  // namespace assay
