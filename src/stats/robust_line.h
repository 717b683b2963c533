// A straight line through points that a few wild values do not bend (Theil–Sen), and how sure its slope is.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace assay {

class RobustLine {
 public:
  static constexpr uint64_t kFewest = 8;  // points; a slope of fewer says nothing

  void add(double x, double y);

  struct Fit {
    double slope = 0, low = 0, high = 0;  // low, high: 95 % interval
    double intercept = 0;                 // the median of y − slope·x

    double at(double x) const { return intercept + slope * x; }
  };
  /// Whether there are points enough, at two x or more.
  bool is_known() const { return count_ >= kFewest && first_x_ < last_x_; }
  /// Of all points, of 512 drawn from them where there are more. All 0 where is_known() is false.
  Fit fit() const;

  uint64_t count() const { return count_; }
  double first_x() const { return first_x_; }
  double last_x() const { return last_x_; }

 private:
  uint64_t count_ = 0;
  double first_x_ = 0, last_x_ = 0;
  std::vector<std::pair<double, double>> drawn_;
};

}  // namespace assay
