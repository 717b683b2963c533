// Is what one launch of an op that is no product wrote right? Dense outputs by elements and projections, others whole.
#pragma once
#include <string>
#include <vector>

#include "proof/element_proof.h"

namespace assay {

/// Whether an output is judged by its projections: dense ones of values are.
inline bool is_projected(const Tensor& output) { return !output.is_sparse && output.dtype != Dtype::i32; }

/// Value i of an output, which may be of blocks.
double output_value(Dtype dtype, std::span<const std::byte> d, int64_t i);

/// The launches of a sample have the same varied operands, and often the same copy: what they must give is kept.
class ElementJudge final : public Judge {
 public:
  ElementJudge(const ElementProof& proof, Accuracy accuracy);

  /// range: of the projected outputs' elements; of the others all are compared.
  std::string check(std::span<const std::byte> d, const LaunchInputs& inputs, ElementRange range) override;
  /// Of a free draw: elements drawn all over D.
  std::string check_one(std::span<const std::byte> d, const LaunchInputs& inputs, uint64_t drawn) override;
  std::string check_projections(std::span<const double> sums, const LaunchInputs& inputs) override;
  std::string check_unprojected(std::span<const std::byte> d, const LaunchInputs& inputs) override;
  int64_t projection_cost() const override;
  int64_t check_cost() const override { return dense_elements_; }
  bool can_check(int64_t) const override { return true; }
  bool can_check(const LaunchInputs& launch) const override { return !launch.a.is_free; }

 private:
  struct Worst {
    double ratio = 0, got = 0;
    int64_t element = -1;  // of all
    ExpectedValue expected;
  };
  std::string where(int64_t element) const override;
  void prepare_for(const LaunchInputs& launch);
  /// Elements [first, last) of an output, which lies at `d`; the first of their values is values[0].
  void compare(size_t output, std::span<const std::byte> d, int64_t first, int64_t last, const ExpectedValue* values,
               Worst& worst);
  std::string compare_unprojected(std::span<const std::byte> d, Worst& worst);
  std::string message(const Worst& worst) const;
  std::string mean_square_message() const;

  const ElementProof& proof_;
  const Accuracy accuracy_;
  const std::vector<Tensor>& outputs_;
  std::vector<ExpectedOutput> expected_;
  LaunchInputs of_;
  bool prepared_ = false;
  int64_t dense_elements_ = 0;
  double squared_error_ = 0, squared_reference_ = 0;
  double in_variances_ = 0;      // squared errors in units of what rounding activations explains
  int64_t varied_elements_ = 0;  // … of so many elements
};

}  // namespace assay
