// A straight line through points by least squares, from running moments: memory does not grow with the points.
#pragma once
#include <cstdint>

namespace assay {

class LineFit {
 public:
  void add(double x, double y) { add_group(x, 1, y, 0); }
  /// `count` points at one x: their mean, and the sum of their squared distances from it.
  void add_group(double x, uint64_t count, double mean_y, double squares_y);

  uint64_t count() const { return count_; }
  double mean_x() const { return mean_x_; }
  double mean_y() const { return mean_y_; }
  /// Whether there are three points and two different x; otherwise slope and error are 0.
  bool is_known() const { return count_ >= 3 && xx_ > 0; }
  double slope() const { return is_known() ? xy_ / xx_ : 0; }
  double at(double x) const { return mean_y_ + slope() * (x - mean_x_); }
  /// One standard error of the slope, from the scatter around the line.
  double slope_error() const;

 private:
  uint64_t count_ = 0;
  double mean_x_ = 0, mean_y_ = 0, xx_ = 0, xy_ = 0, yy_ = 0;  // the last three: sums around the means
};

}  // namespace assay
