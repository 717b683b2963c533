// How much an honest kernel's rounding may err: the variance of a sum in f32, and when a mean of squares is too large
// for chance.
#pragma once
#include <cstdint>

#include "spec/op.h"

namespace assay {

inline constexpr double kF32Roundoff = 0x1p-24;
inline constexpr double kEpilogueRoundings = 4;  // alpha, beta, their products and sums in f32

/// The least number above zero.
double least_subnormal(Dtype dtype);

/// Variance of the rounding error of a sum of k products of mixed signs, in units of kF32Roundoff² · Σ(ab)²: at least
/// that of any order of adding which does not depend on the values, rounded to nearest or, where tensor cores may add,
/// cut off (docs/measuring.md has the argument).
double summation_variance(int64_t k, bool may_cut_off);

/// What the mean of `count` squared errors, each in units of its variance, exceeds by chance once in 10^10 times.
double mean_square_limit(int64_t count);

}  // namespace assay
