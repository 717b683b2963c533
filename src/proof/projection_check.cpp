// Do the projections of a launch's D agree with what they must be?
#include "proof/projection_check.h"

#include <cmath>

#include "base/error.h"
#include "proof/rounding_model.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

constexpr double kDeviations = 8;  // 10^8 projections a sweep, and none may be out by chance
constexpr double kUniform = 3;     // the variance of an error anywhere within ±e is e²/3
constexpr double kAnyD = 1e100;    // beyond any value of D's types, and its square is finite

/// How many of `count` lie outside: |sum − (factor · product + added)| > kDeviations · √(free² + output · squares +
/// activations²).
ASSAY_CLONES int64_t count_outside(int64_t count, const double* sums, const double* products, const double* factors,
                                   const double* added, const double* norms, const float* magnitudes,
                                   const float* deviations, double free_scale, double activation_scale, double output) {
  int64_t outside = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double got = sums[2 * i], squares = sums[2 * i + 1], error = got - (factors[i] * products[i] + added[i]);
    const double free = free_scale * double(magnitudes[i]) + norms[i],
                 activations = activation_scale * double(deviations[i]);
    const double variance = free * free + output * squares + activations * activations;
    outside += !(error * error <= kDeviations * kDeviations * variance && got <= kAnyD && got >= -kAnyD);
  }
  return outside;
}

}  // namespace

ProjectionCheck::ProjectionCheck(const Projections& projections, const Matmul& spec, Accuracy accuracy)
    : projections_(projections),
      spec_(spec),
      accuracy_(accuracy),
      accumulate_(kToleranceC * std::sqrt(double(spec.k) + kEpilogueRoundings) * kF32Roundoff),
      output_(unit_roundoff(spec.d) * unit_roundoff(spec.d) / kUniform) {}

void ProjectionCheck::prepare_for(const Variation& a) {
  if (prepared_ == a) return;
  prepared_ = a;
  multiplied_copy_ = -1;
  varied_a_ = projections_.varied(a);
  scale_ = spec_.alpha * a.factor;
  const size_t count = size_t(projections_.count());
  factors_.resize(count), added_.resize(count), norms_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const Projections::Place& place = projections_.place(int64_t(i));
    const Projections::Added added = projections_.added(int64_t(i));
    factors_[i] = scale_ * a.of_row(place.batch * spec_.m + place.row);
    added_[i] = spec_.beta * added.c + added.bias;
    norms_[i] = accumulate_ * (std::fabs(spec_.beta) * added.c_norm + added.bias_norm);
  }
}

bool ProjectionCheck::all_agree(std::span<const double> sums, int64_t copy) const {
  const std::span<const float> magnitudes = projections_.magnitudes(copy),
                               deviations = projections_.deviations(copy, accuracy_);
  const bool rounds = !deviations.empty();
  return count_outside(projections_.count(), sums.data(), products_.data(), factors_.data(), added_.data(),
                       norms_.data(), magnitudes.data(), rounds ? deviations.data() : magnitudes.data(),
                       accumulate_ * std::fabs(scale_), rounds ? std::fabs(scale_) : 0, output_) == 0;
}

std::optional<ProjectionCheck::Miss> ProjectionCheck::first_miss(std::span<const double> sums, int64_t copy,
                                                                 const Variation& a) {
  ASSAY_CHECK(int64_t(sums.size()) == 2 * projections_.count());
  prepare_for(a);
  if (copy != multiplied_copy_) projections_.products(copy, varied_a_, products_);
  multiplied_copy_ = copy;
  if (all_agree(sums, copy)) return std::nullopt;
  // One by one, and with what the least subnormals of D's type allow.
  const double tiny = least_subnormal(spec_.d) * std::sqrt(double(kProjectionColumns));
  const std::span<const float> magnitudes = projections_.magnitudes(copy),
                               deviations = projections_.deviations(copy, accuracy_);
  for (size_t i = 0; i < products_.size(); ++i) {
    const double got = sums[2 * i], expected = factors_[i] * products_[i] + added_[i];
    const double free = accumulate_ * std::fabs(scale_) * double(magnitudes[i]) + norms_[i];
    const double activations = deviations.empty() ? 0 : scale_ * double(deviations[i]);
    const double allowed =
        kDeviations * std::sqrt(free * free + output_ * sums[2 * i + 1] + activations * activations) + tiny;
    if (!(std::fabs(got) <= kAnyD && std::fabs(got - expected) <= allowed))
      return Miss{int64_t(i), got, expected, allowed};
  }
  return std::nullopt;
}

}  // namespace assay
