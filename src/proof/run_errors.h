// The errors of elements of a product that lie side by side, and how large each may be.
#pragma once
#include <cstdint>

namespace assay {

inline constexpr int64_t kRun = 1'024;       // elements at once, at most
inline constexpr double kSumDeviations = 5;  // of a sum of floats, … times c: no element of an honest one is off by ten
inline constexpr double kProductDeviations = 7;  // of rounded activations: of 10^8 elements none is out by chance

/// Elements of a row of D side by side: what came, and what it rests on. `deviations`: null in the exact class.
struct Run {
  int64_t count;
  const float* values;
  const double *products, *from_c, *from_bias, *magnitudes, *squares, *deviations;
};

/// How far from right they may be: the same for a row of D.
struct ErrorModel {
  double scale = 1, of_row = 1, roundoff = 0, tiny = 0, accumulate = 0, sum_units = 0, epilogue_units = 0;
  bool is_exact = true;
};

/// Their errors, and the two parts of what is allowed.
struct RunErrors {
  double error[kRun], fixed[kRun], free[kRun];
};

/// Over all runs of a launch. in_variances: squared errors in units of what the class explains.
struct RunSums {
  double in_variances = 0, squared_error = 0, squared_reference = 0, max_abs = 0, max_rel = 0;
};

/// Adds to `sums`.
void judge_run(const Run& run, const ErrorModel& model, RunSums& sums, RunErrors& to);

/// How many use more of their bound than `used`, or need a c above `ratio`, or are NaN: few, as both only rise.
int64_t count_raising(int64_t count, const RunErrors& of, double used, double ratio);

}  // namespace assay
