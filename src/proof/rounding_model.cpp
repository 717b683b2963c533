// How much an honest kernel's rounding may err.
#include "proof/rounding_model.h"

#include <cmath>

namespace assay {
namespace {

constexpr double kSequential = 1.0 / 8;  // per k: one running sum, every addition rounded to nearest, has 1/11
constexpr double kCutOff =
    1.0 / 1400;  // per k²: a running sum that loses half a unit at every 16th k, always toward zero
constexpr double kRareDeviations = 6.4;  // of a normal distribution: 1 in 10^10

}  // namespace

double least_subnormal(Dtype dtype) {
  if (dtype == Dtype::i32) return 0;
  return dtype == Dtype::f16 ? 0x1p-24 : dtype == Dtype::bf16 ? 0x1p-133 : 0x1p-149;
}

double summation_variance(int64_t k, bool may_cut_off) {
  return 1 + kSequential * double(k) + (may_cut_off ? kCutOff * double(k) * double(k) : 0);
}

/// The Wilson-Hilferty approximation of the chi-square distribution's quantile, over its mean.
double mean_square_limit(int64_t count) {
  const double spread = 2.0 / (9.0 * double(count));
  return std::pow(1 - spread + kRareDeviations * std::sqrt(spread), 3);
}

}  // namespace assay
