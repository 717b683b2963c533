// Do the projections of a launch's D agree with what they must be? A few thousand of them a sample, so the loops are
// made for lanes.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "proof/projections.h"

namespace assay {

class ProjectionCheck {
 public:
  ProjectionCheck(const Projections& projections, const Matmul& spec, Accuracy accuracy);

  struct Miss {
    int64_t index;  // of the projection
    double got, expected, allowed;
  };
  /// sums: Σ r·d and Σ (r·d)² of each projection, one after the other. The first that does not agree.
  std::optional<Miss> first_miss(std::span<const double> sums, int64_t copy, const Variation& a);

 private:
  void prepare_for(const Variation& a);
  bool all_agree(std::span<const double> sums, int64_t copy) const;

  const Projections& projections_;
  const Matmul& spec_;
  const Accuracy accuracy_;
  const double accumulate_, output_;   // of a magnitude; of a norm of D, squared
  std::optional<Variation> prepared_;  // what these are of: the launches of a sample have the same A
  double scale_ = 1;
  Projections::VariedA varied_a_;
  std::vector<double> factors_;        // of each projection: A's factor, its row's sign, alpha
  std::vector<double> added_, norms_;  // beta·C and bias; their share of the bound
  std::vector<double> products_;
  int64_t multiplied_copy_ = -1;  // whose they are
};

}  // namespace assay
