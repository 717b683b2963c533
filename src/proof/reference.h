// What the right answer of a product is: double-precision products of chosen copies, once per spec, and a second
// opinion on samples.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "proof/inputs.h"
#include "proof/projections.h"
#include "proof/proof.h"
#include "spec/accuracy.h"

namespace assay {

/// Per element of D (segments one after another, each [batch][m][n]), of the base value of A.
struct CopyReference {
  int64_t copy = 0;
  std::span<double> sums;                // Σ a·b of each group of columns that may change its sign, [element][group]
  std::span<double> magnitude, squares;  // Σ |a||b|, Σ (a·b)²
  /// Of each accuracy class: √(Σ rounding variance of a · b²). Only for the classes that were asked for, none for
  /// exact.
  std::array<std::span<double>, kAccuracies> deviation;
};

/// A row of a copy of B, drawn and decoded while B could be read: a kernel that repacks B has it withheld from its
/// whole process, the judge included.
struct KeptRow {
  size_t segment = 0;
  int64_t batch = 0, row = 0;  // row: the column of D that it makes
  std::vector<float> values;
};

class Reference final : public Proof {
 public:
  /// Computes copies spread evenly over all: a quarter of them where time allows.
  /// Error "suspect the reference" if the second, independently written one disagrees on a sampled element.
  Reference(const SpecInputs& inputs, const std::vector<Accuracy>& classes = {});

  const SpecInputs& inputs() const override { return inputs_; }
  bool knows(int64_t copy) const override { return find(copy) != nullptr; }
  /// ±2^j times its base value, with signs by groups of columns where it is to be compared, else with a sign for each.
  /// Now and then j is of a wider range: who clips what is larger than usual is found.
  /// About half of all columns then differ from those of any other launch: nothing remembered is right, or of use.
  Variation draw_late(std::mt19937_64& random, bool is_small, Accuracy accuracy) const override;
  Variation draw(std::mt19937_64& random, int64_t launches, bool comparable) const override;
  void varied(const Variation& variation, std::vector<std::vector<std::byte>>& bytes) const override {
    bytes.resize(1);
    inputs_.varied_a(variation, bytes[0]);
  }
  std::vector<std::span<const float>> projection_weights() const override;
  std::unique_ptr<Judge> judge(Accuracy accuracy) const override;
  const std::vector<CopyReference>& copies() const { return copies_; }
  /// The reference of a copy, or null if it has none.
  const CopyReference* find(int64_t copy) const;
  int64_t elements() const { return elements_; }
  /// Of nearly every copy one; null for others.
  const KeptRow* kept_row(int64_t copy) const;
  void leave() override;
  void come_back() override;

  /// Signs of a Variation that is not free, from random bits: alike in columns that share a sum. Many outputs leave
  /// memory for few sums.
  uint64_t signs_from(uint64_t bits) const;
  /// Σ a·b of an element when A has these signs.
  double product(const CopyReference& reference, int64_t element, const Variation::Signs& signs) const;
  /// … of so many elements from `first` on.
  void products(const CopyReference& reference, int64_t first, int64_t count, const Variation::Signs& signs,
                double* to) const;
  /// What random projections of D must be, for every copy.
  const Projections& projections() const { return projections_; }

 private:
  Reference(const SpecInputs& inputs, const std::vector<ActivationRounding>& roundings);
  void keep_rows();
  int most_power() const;

  const SpecInputs& inputs_;
  int64_t elements_ = 0;
  Projections projections_;
  HugeVector<double> numbers_;  // of all copies
  std::vector<CopyReference> copies_;
  std::vector<int32_t> index_of_copy_;
  std::vector<KeptRow> kept_rows_;
  std::vector<int32_t> kept_row_of_copy_;  // -1: none
  int most_power_ = 0;
  int groups_ = 1;  // a power of two, at most Variation::kGroups: column k is in group k % groups_
};

/// One element of B in logical order: row n of the segment's tensor, column k.
double b_element(const Tensor& b, int64_t batch, int64_t n, int64_t k);

}  // namespace assay
