// Is this D right? The error model per element, the search for left-over poison, and the raw statistics of both.
#pragma once
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "proof/projection_check.h"
#include "proof/reference.h"
#include "proof/rounding_model.h"
#include "store/record.h"

namespace assay {

/// What one launch was given: a copy of B, and A.
struct LaunchInputs {
  int64_t copy = 0;
  Variation a;
};

/// Elements of D in its order, segments one after another.
struct ElementRange {
  int64_t first = 0, end = std::numeric_limits<int64_t>::max();
};

/// The bound of an element:
/// |err| <= c·min(√(k+4)·u32·(|alpha|Σ|a||b| + |beta·C| + |bias|), 5·σ) + u_out·|reference| (+ half the least subnormal
/// of the output type); u32 = 2^-24 of the f32 accumulator, σ² the variance of honest sums (rounding_model.h); over all
/// elements the mean square of the error must not exceed twice that variance. A class that rounds activations
/// (spec/accuracy.h) adds 6 standard deviations of that error, and has a mean square of its own.
class Validator {
 public:
  Validator(const Reference& reference, Accuracy accuracy);

  /// Scans D (all segments, one after another) for NaN and infinity: an element that was never written, or is wrong. ""
  /// or a message.
  std::string scan(std::span<const std::byte> d);
  /// So many more outputs that a device itself found finite.
  void count_scanned(int64_t launches) { stats_.launches_scanned += launches; }
  /// Compares the range's elements with the reference; only where it can. "" or a message naming the worst element.
  std::string check(std::span<const std::byte> d, const LaunchInputs& inputs, ElementRange range = ElementRange());
  /// Whether all of D is right as far as its random projections tell (Projections, OutputRing::projected): for any
  /// copy. "" or a message.
  std::string check_projections(std::span<const double> sums, const LaunchInputs& inputs);
  bool can_check(int64_t copy) const { return reference_.find(copy) != nullptr; }
  bool can_check(const LaunchInputs& launch) const { return can_check(launch.copy) && !launch.a.is_free; }
  /// Elements that a check compares.
  int64_t check_cost() const { return reference_.elements(); }

  const ErrorStats& stats() const { return stats_; }

 private:
  std::string where(int64_t element) const;
  std::string name(size_t segment, int64_t batch, int64_t row, const std::string& columns) const;
  std::string mean_square_message(double in_variances, int64_t checked);

  const Reference& reference_;
  const Spec& spec_;
  Accuracy accuracy_;
  ErrorStats stats_;
  std::vector<float> values_;
  ProjectionCheck projections_;
  double squared_error_ = 0, squared_reference_ = 0;
  double in_variances_ = 0;  // Σ of squared errors in units of their variance, over all elements checked
};

/// Whether statistics kept in a store pass under another c: the worst ratio was taken at c = 1.
inline bool passes(const ErrorStats& stats, double c) { return stats.nan_count == 0 && stats.worst_ratio <= c; }

}  // namespace assay
