// What random projections of D must be: a few numbers for each copy of the weights prove every element of every launch
// at once.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "backend/measured_device.h"
#include "base/huge_pages.h"
#include "ops/matmul.h"
#include "proof/activation_rounding.h"

namespace assay {

/// A row of D is projected in stretches of kProjectionColumns columns (measured_device.h): Σ r·D over the stretch must
/// be A·(Bᵀr), with r drawn anew for each spec. Bᵀr, once for a copy, answers for every A; of signs by groups of
/// columns (Variation) a sum a group does. A wrong element escapes only if it is smaller than the rounding of all 256
/// together. Order of all below: segments, batches, rows, stretches.
class Projections {
 public:
  /// Reads all copies: about a nanosecond an element of B.
  Projections(const SpecInputs& inputs, const std::vector<ActivationRounding>& roundings);

  void let_forks_inherit_it(bool inherit);

  /// r: of each column of a segment.
  std::span<const float> weights(size_t segment) const { return weights_[segment]; }
  /// How many there are of one D.
  int64_t count() const { return count_; }

  /// A variation as products() needs it: made once for the launches of a sample, whose A is the same.
  struct VariedA {
    Variation::Signs of_groups{};
    std::vector<float> values;  // where the variation is free: rows of A with its signs of columns, padded; else empty
  };
  VariedA varied(const Variation& variation) const;
  /// A·B, projected: count() of them into `to`. A's signs of rows and its factor are left out.
  void products(int64_t copy, const VariedA& a, std::vector<double>& to) const;
  /// Multiplications that products() takes where the variation is free.
  int64_t free_cost() const {
    return by_column_.empty() ? std::numeric_limits<int64_t>::max() / 1024 : count_ * matmul_of(inputs_.spec()).k;
  }

  /// What else goes into a projection, of every launch: beta = 1 times C, and bias; and their norms over its columns.
  struct Added {
    double c = 0, bias = 0, c_norm = 0, bias_norm = 0;
  };
  Added added(int64_t index) const;
  /// Of each projection at least √Σ (r Σ|a||b|)²; and √Σ (r · the standard deviation that rounding activations, as the
  /// class does, causes)², none if that rounds nothing.
  std::span<const float> magnitudes(int64_t copy) const { return of_copy(magnitude_, copy); }
  std::span<const float> deviations(int64_t copy, Accuracy accuracy) const {
    return of_copy(deviation_[size_t(accuracy)], copy);
  }

  /// Where a projection lies in D.
  struct Place {
    size_t segment;
    int64_t batch, row, first, last;  // columns [first, last)
  };
  const Place& place(int64_t index) const { return places_[size_t(index)]; }

 private:
  std::span<const float> of_copy(const HugeVector<float>& all, int64_t copy) const {
    return all.empty() ? std::span<const float>() : std::span(all).subspan(size_t(copy * count_), size_t(count_));
  }
  struct Terms {  // of bias or C
    std::vector<double> sums, norms;
  };
  void project_copy(int64_t copy, const std::vector<ActivationRounding>& roundings);
  void project_terms();

  const SpecInputs& inputs_;
  int64_t count_ = 0, stretches_ = 0;  // of one D; of all segments and batches, rows not counted
  std::vector<std::vector<float>> weights_;
  std::vector<Place> places_;
  std::vector<int64_t> row_of_, stretch_of_;  // of a projection
  HugeVector<float> by_group_;                // Σ a·(Bᵀr) over each group of columns, [copy][group][projection]
  HugeVector<float> by_column_;  // Bᵀr, [copy][stretch][column of A, padded]; empty where it would take too much memory
  HugeVector<float> magnitude_;                           // [copy][projection]
  std::array<HugeVector<float>, kAccuracies> deviation_;  // likewise, of the classes that were asked for
  Terms c_, bias_;                                        // [projection]
};

/// A weight for each column: any sign, magnitudes alike but not equal: two errors of the same size must not cancel.
std::vector<float> random_weights(int64_t count, std::mt19937_64& random);

/// The same of a D on the host, rows of `columns` elements: Σ r·d and Σ (r·d)² of each stretch, one after the other,
/// into `sums`.
void project(Dtype dtype, const std::byte* d, int64_t elements, int64_t columns, const float* weights, double* sums);

/// Stretches of a row of so many columns.
inline int64_t stretches_of(int64_t columns) { return (columns + kProjectionColumns - 1) / kProjectionColumns; }

}  // namespace assay
