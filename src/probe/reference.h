// What the right answer is: double-precision products of chosen copies, once per spec, and a second opinion on samples.
#pragma once
#include <vector>

#include "probe/inputs.h"

namespace assay {

/// Per element of D (segments one after another, each [batch][m][n]): Σ a·b, Σ |a||b| and Σ (a·b)² of the unscaled inputs.
struct CopyReference {
  int64_t copy = 0;
  std::vector<double> product, magnitude, squares;
  std::vector<float> columns;         // B's values in the columns that may be flipped, [flip][row of B], where those are few
  std::vector<double> int8_deviation;  // √(Σ over blocks of (amax(a)/127)²/12 · Σ b²): only where a variant quantizes activations
};

class Reference {
 public:
  /// Computes copies spread evenly over all: a quarter of them where time allows.
  /// Error "suspect the reference" if the second, independently written one disagrees on a sampled element.
  Reference(const SpecInputs& inputs, bool int8_activations);

  const SpecInputs& inputs() const { return inputs_; }
  const std::vector<CopyReference>& copies() const { return copies_; }
  /// The reference of a copy, or null if it has none.
  const CopyReference* find(int64_t copy) const;
  int64_t elements() const { return elements_; }

  /// The columns of A whose sign a launch may flip: all where D is small, else a few whose part of B is kept at hand.
  int64_t flip_count() const { return flips_.empty() ? inputs_.spec().k : int64_t(flips_.size()); }
  int64_t flip_column(int64_t flip) const { return flips_.empty() ? flip : flips_[size_t(flip)]; }
  /// B's value in that column: `row` counts rows of B over batches and segments before this tensor and in it.
  double flipped_b(const CopyReference& reference, const Tensor& b, int64_t batch, int64_t n, int64_t row, int64_t flip) const;

 private:
  const SpecInputs& inputs_;
  int64_t elements_ = 0;
  std::vector<CopyReference> copies_;
  std::vector<int32_t> index_of_copy_;
  std::vector<int64_t> flips_;
};

/// One element of B in logical order: row n of the segment's tensor, column k.
double b_element(const Tensor& b, int64_t batch, int64_t n, int64_t k);

}  // namespace assay
