// Moments are kept around the running means: sums of squares of large values would lose the small differences.
#include "stats/line_fit.h"

#include <algorithm>
#include <cmath>

namespace assay {

void LineFit::add_group(double x, uint64_t count, double mean_y, double squares_y) {
  if (count == 0) return;
  const double n = double(count), all = double(count_) + n;
  const double dx = x - mean_x_, dy = mean_y - mean_y_, weight = double(count_) * n / all;
  xx_ += dx * dx * weight;
  xy_ += dx * dy * weight;
  yy_ += dy * dy * weight + squares_y;
  mean_x_ += dx * n / all;
  mean_y_ += dy * n / all;
  count_ += count;
}

double LineFit::slope_error() const {
  if (!is_known()) return 0;
  return std::sqrt(std::max(0.0, yy_ - slope() * xy_) / double(count_ - 2) / xx_);
}

}  // namespace assay
