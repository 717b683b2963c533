// Is this D right? The error model per element, the search for left-over poison, and the raw statistics of both.
#pragma once
#include <span>
#include <limits>
#include <string>
#include <vector>

#include "probe/reference.h"
#include "store/record.h"

namespace assay {

/// |err| <= c·min(√(k+4)·u32·(|alpha|Σ|a||b| + |beta·C| + |bias|), 5·σ) + u_out·|reference| (+ half the least subnormal of the output type);
/// u32 = 2^-24 of the f32 accumulator, σ² the variance of honest sums (rounding_model.h); over all elements the mean square of the error
/// must not exceed twice that variance. int8 activations add 6 standard deviations of their rounding error, and have a mean square of their own.
inline constexpr double kToleranceC = 2.0;

/// What one launch was given: its copy, A's factor, and which of the reference's flips (Reference::flip_column).
struct LaunchInputs {
  int64_t copy = 0;
  double factor = 1;
  int64_t flip = 0;
};

/// Elements of D in its order, segments one after another.
struct ElementRange {
  int64_t first = 0, end = std::numeric_limits<int64_t>::max();
};

class Validator {
 public:
  Validator(const Reference& reference, bool int8_activations);

  /// Scans D (all segments, one after another) for NaN: an element that was never written, or is wrong. "" or a message.
  std::string scan(std::span<const std::byte> d);
  /// So many more outputs in which a device itself found no NaN.
  void count_scanned(int64_t launches) { stats_.launches_scanned += launches; }
  /// Compares the range's elements with the reference; only where the copy has one. "" or a message naming the worst element.
  std::string check(std::span<const std::byte> d, const LaunchInputs& inputs, ElementRange range = ElementRange());
  bool can_check(int64_t copy) const { return reference_.find(copy) != nullptr; }
  /// Elements of B that a check reads one by one (for the flipped column).
  int64_t check_cost() const { return reference_.elements(); }

  const ErrorStats& stats() const { return stats_; }

 private:
  std::string where(int64_t element) const;
  std::string mean_square_message(double in_variances, int64_t checked);

  const Reference& reference_;
  const Spec& spec_;
  bool int8_activations_;
  ErrorStats stats_;
  std::vector<float> values_;
  std::vector<double> b_flipped_;
  double squared_error_ = 0, squared_reference_ = 0;
  double in_variances_ = 0;  // Σ of squared errors in units of their variance, over all elements checked
};

/// Whether statistics kept in a store pass under another c: the worst ratio was taken at c = 1.
inline bool passes(const ErrorStats& stats, double c) { return stats.nan_count == 0 && stats.worst_ratio <= c; }

}  // namespace assay
