// Is this D of a product right? The error model per element, and its raw statistics.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "proof/projection_check.h"
#include "proof/proof.h"
#include "proof/reference.h"
#include "proof/rounding_model.h"

namespace assay {

/// The bound of an element:
/// |err| <= c·min(√(k+4)·u32·(|alpha|Σ|a||b| + |beta·C| + |bias|), 5·σ) + u_out·|reference| (+ half the least subnormal
/// of the output type); u32 = 2^-24 of the f32 accumulator, σ² the variance of honest sums (rounding_model.h); over all
/// elements the mean square of the error must not exceed twice that variance. A class that rounds activations
/// (spec/accuracy.h) adds 7 standard deviations of that error, and has a mean square of its own.
class Validator final : public Judge {
 public:
  Validator(const Reference& reference, Accuracy accuracy);

  std::string check(std::span<const std::byte> d, const LaunchInputs& inputs,
                    ElementRange range = ElementRange()) override;
  std::string check_projections(std::span<const double> sums, const LaunchInputs& inputs) override;
  std::string check_one(std::span<const std::byte> d, const LaunchInputs& inputs, uint64_t drawn) override;
  bool can_check(int64_t copy) const override { return reference_.find(copy) != nullptr; }
  bool can_check(const LaunchInputs& launch) const override { return can_check(launch.copy) && !launch.a.is_free; }

 private:
  std::string where(int64_t element) const override;
  std::string name(size_t segment, int64_t batch, int64_t row, const std::string& columns) const;
  std::string mean_square_message(double in_variances, int64_t checked);

  const Reference& reference_;
  const Matmul& spec_;
  Accuracy accuracy_;
  ProjectionCheck projections_;
  const std::vector<double>& variances_of_a();

  std::vector<double> variances_;  // of what the class rounds away of A
  double squared_error_ = 0, squared_reference_ = 0;
  double in_variances_ = 0;  // Σ of squared errors in units of their variance, over all elements checked
};

/// Whether statistics kept in a store pass under another c: the worst ratio was taken at c = 1.
inline bool passes(const ErrorStats& stats, double c) { return stats.nan_count == 0 && stats.worst_ratio <= c; }

}  // namespace assay
