// Operands of values that the arenas never hold, for one spec, with the right answers: zeros, subnormals, outliers,
// sums near the range.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/device.h"
#include "proof/special_rows.h"
#include "spec/accuracy.h"

namespace assay {

/// How far apart rows and batches lie: as the spec says, with NaN between them, or with NaN between batches alone.
enum class Spacing { dense, padded, apart };
inline constexpr size_t kSpacings = 3;

/// An operand of a spec, spaced so. by_segment: each segment by another padding; elsewhere a kernel is told one stride for
/// all of them.
Tensor spaced(const Tensor& dense, Spacing spacing, bool by_segment);
/// What is left when this was, of dense and the two that are not; null: none, and all.
inline std::optional<Spacing> other(std::optional<Spacing> one) {
  if (!one) return {};
  return one == Spacing::dense ? Spacing::padded : Spacing::dense;
}
inline constexpr int64_t kShorterAbove = int64_t(4) << 20;  // of weights: set-up shows fewer columns instead of all
inline constexpr int64_t kLargeSpecialBytes = int64_t(64) << 20;  // of weights: above, a launch is dear

/// B's special values in host memory of its own, guard bands of NaN around each tensor.
class SpecialWeights {
 public:
  SpecialWeights(const Spec& spec, const SpecialRows& rows, Spacing spacing, bool as_in_files);
  ~SpecialWeights();
  SpecialWeights(const SpecialWeights&) = delete;
  SpecialWeights& operator=(const SpecialWeights&) = delete;

  std::span<std::byte> memory() const { return memory_; }
  /// All operands as spec_tensors() has them, spaced; only B's addresses are set, to the host's.
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  std::span<std::byte> memory_, mapped_;  // mapped_: and what nobody may read, behind it
  std::vector<Tensor> tensors_;
};

class SpecialValues {
 public:
  /// Null where the op is no product, or the weights are too big to be held once more. Where little memory is left
  /// large ones are made in one spacing alone, which a case takes.
  /// as_in_files: weights begin where those of a mapped file may, at 32 bytes, and less than 64 bytes behind their end
  /// is nothing that can be read; else at 64. Batches of several lie apart as well, where they are small.
  /// like: those of a spec that differs in its columns alone, and has 128 or more; null: there are none.
  static std::unique_ptr<SpecialValues> make(const Spec& spec, bool any_padded, bool any_dense, bool as_in_files,
                                             const SpecialValues* like = nullptr);
  /// Of a product one with about a sixteenth of its columns, 128 at least; nothing where that is more than half of
  /// them.
  static std::optional<Spec> shorter_of(const Spec& spec);
  explicit SpecialValues(const Spec& spec) : SpecialValues(spec, std::make_shared<SpecialRows>(matmul_of(spec))) {}
  SpecialValues(const Spec& spec, std::shared_ptr<const SpecialRows> rows);

  const Spec& spec() const { return of_; }
  /// Null if they were not made.
  const SpecialWeights* weights(Spacing spacing) const { return weights_[size_t(spacing)].get(); }
  /// How many launches show all activations that a kernel of this accuracy must take.
  int64_t launches(Accuracy accuracy) const;

  /// What an operand other than B and D holds in a launch, as its tensor is spaced.
  std::vector<std::byte> content(const Tensor& tensor, int64_t launch, Accuracy accuracy) const;
  /// Whether the D tensors (their bytes, one a segment) are right: "" or a message naming the element and what is
  /// special about it.
  std::string check(const std::vector<Tensor>& d, const std::vector<std::vector<std::byte>>& bytes, int64_t launch,
                    Accuracy accuracy) const;

 private:
  int64_t set_of(int64_t a_row, int64_t launch, Accuracy accuracy) const;
  double beside(const Tensor& t, int64_t at, int64_t launch) const;
  struct Bound {
    double all, output,
        deviation;  // of what is allowed: the output's own rounding, and a standard deviation of the activations'
  };
  Bound bound_of(const SpecialProduct& p, double expected, double added, Accuracy accuracy) const;
  bool accepts(double expected, double got, double bound) const;

  const Spec of_;
  const Matmul& spec_;
  const std::shared_ptr<const SpecialRows> rows_;
  std::vector<int64_t> sets_[kAccuracies];  // of each class, the rows of activations that it must take
  std::vector<Bound> bounds_[kAccuracies];  // of each pair of rows with nothing beside the product
  std::unique_ptr<SpecialWeights> weights_[kSpacings];
};

}  // namespace assay
