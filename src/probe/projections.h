// What random projections of D must be: a few numbers for each copy of the weights prove every element of every launch at once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "probe/inputs.h"

namespace assay {

/// A row of D is projected in stretches of kProjectionColumns columns (device.h): Σ r·D over the stretch must be A·(Bᵀr), with r drawn anew for
/// each spec. Both are linear, so Bᵀr, once for a copy, answers for every A. A wrong element escapes with a chance of about none: it would have to
/// be smaller than the rounding of all 256 together.
/// Order of all below: segments, batches, rows, stretches.
class Projections {
 public:
  /// flips: the columns of A whose sign a launch may change. Reads all copies: about a nanosecond an element of B.
  Projections(const SpecInputs& inputs, std::span<const int64_t> flips, bool int8_activations);

  /// r: of each column of a segment.
  std::span<const float> weights(size_t segment) const { return weights_[segment]; }
  /// How many there are of one D.
  int64_t count() const { return count_; }

  /// One projection: what A·B, beta = 1 times C, and bias put into it; and the norms over its columns that its bound needs.
  struct Expected {
    double product = 0, c = 0, bias = 0;
    double flipped = 0;         // B's flipped column, projected
    double magnitude = 0;       // at least √Σ (r Σ|a||b|)²
    double c_norm = 0, bias_norm = 0;
    double int8_deviation = 0;  // √Σ (r · the standard deviation that int8 activations cause)²
  };
  Expected expected(int64_t copy, int64_t flip, int64_t index) const;
  /// Where a projection lies in D.
  struct Place {
    size_t segment;
    int64_t batch, row, first, last;  // columns [first, last)
  };
  const Place& place(int64_t index) const { return places_[size_t(index)]; }

 private:
  struct Terms {  // of bias or C
    std::vector<double> sums, norms;
  };
  void project_copy(int64_t copy, std::span<const int64_t> flips, bool int8_activations, class ProjectedWeights& projected);
  void project_terms();

  const SpecInputs& inputs_;
  int64_t count_ = 0, stretches_ = 0;  // of one D; of all segments and batches, rows not counted
  size_t flips_ = 0;
  std::vector<std::vector<float>> weights_;
  std::vector<Place> places_;
  std::vector<int64_t> stretch_of_;     // of a projection
  std::vector<double> product_;         // [copy][projection]
  std::vector<float> magnitude_, int8_deviation_;
  std::vector<double> flipped_;         // [copy][flip][stretch]
  Terms c_, bias_;                      // [projection]
};

/// The same of a D on the host, rows of `columns` elements: Σ r·d and Σ (r·d)² of each stretch, one after the other, into `sums`.
void project(Dtype dtype, const std::byte* d, int64_t elements, int64_t columns, const float* weights, double* sums);

/// Stretches of a row of so many columns.
inline int64_t stretches_of(int64_t columns) { return (columns + kProjectionColumns - 1) / kProjectionColumns; }

}  // namespace assay
