// The errors of elements of a product that lie side by side, and how large each may be: as vectors.
#include "proof/run_errors.h"

#include <cmath>

#include "base/clones.h"
#include "proof/rounding_model.h"

namespace assay {
namespace {

constexpr int64_t kLanes = 16;  // the compiler makes vectors of them
constexpr double kUniform = 3;  // the variance of an error anywhere within ±e is e²/3

double larger(double left, double right) { return left > right ? left : right; }

}  // namespace

/// Loops without a branch or a sum, and sums in lanes: the compiler makes vectors of both.
ASSAY_CLONES void judge_run(const Run& run, const ErrorModel& model, RunSums& sums, RunErrors& to) {
  const int64_t count = run.count;
  const double scale = model.scale, size_of_scale = std::fabs(scale), of_row = model.of_row;
  const double sum_units = model.sum_units * scale * scale, epilogue_units = model.epilogue_units;
  const double roundoff = model.roundoff, tiny = model.tiny, accumulate = model.accumulate;
  const float* const values = run.values;
  const double *const products = run.products, *const from_c = run.from_c, *const from_bias = run.from_bias;
  const double *const magnitudes = run.magnitudes, *const squares = run.squares;
  double* const __restrict errors = to.error;
  double* const __restrict fixed = to.fixed;
  double* const __restrict frees = to.free;
  double expected[kRun], shares[kRun], parts[kRun];
  for (int64_t i = 0; i < count; ++i) {
    const double product = scale * (of_row * products[i]), c = from_c[i], bias = from_bias[i];
    const double right = product + c + bias, got = double(values[i]), error = std::fabs(got - right);
    const double variance = sum_units * squares[i] + epilogue_units * (product * product + c * c + bias * bias);
    const double worst = accumulate * (size_of_scale * magnitudes[i] + std::fabs(c) + std::fabs(bias)),
                 usual = kSumDeviations * std::sqrt(variance);
    errors[i] = error, expected[i] = right;
    fixed[i] = roundoff * std::fabs(right) + tiny;
    frees[i] = worst < usual ? worst : usual;
    shares[i] = error * error / (variance + fixed[i] * fixed[i] / kUniform);
    parts[i] = error / larger(larger(std::fabs(got), std::fabs(right)), 1.0);
  }
  if (!model.is_exact) {  // whose error is not that of sums
    const double* const deviations = run.deviations;
    for (int64_t i = 0; i < count; ++i) {
      const double deviation = size_of_scale * deviations[i];
      shares[i] = errors[i] * errors[i] / (deviation * deviation + fixed[i] * fixed[i] + frees[i] * frees[i]);
      fixed[i] += kProductDeviations * deviation;
    }
  }
  double in_variances[kLanes] = {}, squared[kLanes] = {}, references[kLanes] = {}, most[kLanes] = {},
         largest[kLanes] = {};
  const auto add = [&](int64_t i, int64_t lane) {
    in_variances[lane] += shares[i], squared[lane] += errors[i] * errors[i];
    references[lane] += expected[i] * expected[i];
    most[lane] = larger(errors[i], most[lane]), largest[lane] = larger(parts[i], largest[lane]);
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  for (; i < count; ++i) add(i, i % kLanes);
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    sums.in_variances += in_variances[lane], sums.squared_error += squared[lane];
    sums.squared_reference += references[lane];
    sums.max_abs = larger(most[lane], sums.max_abs), sums.max_rel = larger(largest[lane], sums.max_rel);
  }
}

ASSAY_CLONES int64_t count_raising(int64_t count, const RunErrors& of, double used, double ratio) {
  int64_t raising = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double error = of.error[i], fixed = of.fixed[i], free = of.free[i];
    raising += !(error <= used * (fixed + kToleranceC * free)) | !(error - fixed <= ratio * free);
  }
  return raising;
}

}  // namespace assay
