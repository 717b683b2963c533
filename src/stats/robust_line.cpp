// The slope is the median of the slopes of all pairs of points: up to 29 % of them may be anything. Its interval is
// Sen's (1968): under no trend Kendall's S is normal with variance (n(n−1)(2n+5) − Σ t(t−1)(2t+5)) / 18 over groups of
// t equal x, and the slopes that S cannot tell from the median lie within 1.96 of its standard deviations, counted in
// ranks.
#include "stats/robust_line.h"

#include <cmath>
#include <cstddef>

namespace assay {
namespace {

constexpr size_t kMostDrawn = 512;  // 131,000 pairs: some ms

/// A number that depends on `n` alone and follows no pattern (splitmix64).
uint64_t scattered(uint64_t n) {
  n += 0x9E3779B97F4A7C15u;
  n = (n ^ (n >> 30)) * 0xBF58476D1CE4E5B9u;
  n = (n ^ (n >> 27)) * 0x94D049BB133111EBu;
  return n ^ (n >> 31);
}

double at_rank(std::vector<double>& values, double rank) {
  const auto index = std::clamp<std::ptrdiff_t>(std::lround(rank), 0, static_cast<std::ptrdiff_t>(values.size()) - 1);
  std::nth_element(values.begin(), values.begin() + index, values.end());
  return values[static_cast<size_t>(index)];
}

double median(std::vector<double>& values) {
  const double upper = at_rank(values, double(values.size() / 2));
  if (values.size() % 2 == 1) return upper;
  return (*std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2)) + upper) /
         2;
}

double kendall_deviation(const std::vector<std::pair<double, double>>& ascending) {
  const auto term = [](double t) { return t * (t - 1) * (2 * t + 5); };
  double sum = term(double(ascending.size()));
  for (size_t begin = 0; begin < ascending.size();) {
    size_t end = begin;
    while (end < ascending.size() && ascending[end].first == ascending[begin].first) ++end;
    sum -= term(double(end - begin));
    begin = end;
  }
  return std::sqrt(sum / 18);
}

}  // namespace

void RobustLine::add(double x, double y) {
  first_x_ = count_ == 0 ? x : std::min(first_x_, x);
  last_x_ = count_ == 0 ? x : std::max(last_x_, x);
  ++count_;
  if (drawn_.size() < kMostDrawn)
    drawn_.emplace_back(x, y);
  else if (const uint64_t at = scattered(count_) % count_; at < kMostDrawn)  // each point is equally likely to stay
    drawn_[at] = {x, y};
}

RobustLine::Fit RobustLine::fit() const {
  if (!is_known()) return {};
  std::vector<std::pair<double, double>> points = drawn_;
  std::sort(points.begin(), points.end());
  std::vector<double> slopes;
  slopes.reserve(points.size() * points.size() / 2);
  for (size_t i = 0; i < points.size(); ++i)
    for (size_t j = i + 1; j < points.size(); ++j)
      if (points[j].first > points[i].first)
        slopes.push_back((points[j].second - points[i].second) / (points[j].first - points[i].first));
  if (slopes.empty()) return {};
  const double half = double(slopes.size()) / 2, reach = 1.96 * kendall_deviation(points) / 2;
  Fit fit;
  fit.slope = median(slopes);
  fit.low = at_rank(slopes, std::floor(half - reach) - 1);
  fit.high = at_rank(slopes, std::ceil(half + reach));
  std::vector<double> rest;
  for (const auto& [x, y] : points) rest.push_back(y - fit.slope * x);
  fit.intercept = median(rest);
  return fit;
}

}  // namespace assay
