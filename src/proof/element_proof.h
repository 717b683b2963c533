// The proof of an op that is no product: all of what a launch writes is computed anew for each launch that is judged.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "proof/proof.h"
#include "spec/op.h"

namespace assay {

/// The bytes of the varied operands of `inputs`, varied as a spec of the same operands says, in its order.
void vary_operands(const SpecInputs& inputs, const Spec& spec, const OpDraw& draw,
                   std::vector<std::vector<std::byte>>& bytes);

class ElementProof final : public Proof {
 public:
  /// Error "suspect the reference" if the op's second opinion disagrees on a sampled element.
  explicit ElementProof(const SpecInputs& inputs, const std::vector<Accuracy>& classes = {});

  const SpecInputs& inputs() const override { return inputs_; }
  bool knows(int64_t) const override { return true; }
  /// Of an op with groups (OpGroups) free where it need not be comparable; of sequences of launches one in four.
  Variation draw(std::mt19937_64& random, int64_t launches, bool comparable) const override;
  Variation draw_late(std::mt19937_64& random, bool is_small, Accuracy accuracy) const override;
  int64_t specials() const override { return std::ssize(specials_); }
  const Spec& spec_of(const Variation& variation) const override {
    return variation.other_numbers ? *other_numbers_ : inputs_.spec();
  }
  Variation special(int64_t number) const override { return specials_[size_t(number)].variation; }
  const RowSums* row_sums() const override { return row_sums_.get(); }
  void varied(const Variation& variation, std::vector<std::vector<std::byte>>& bytes) const override;
  std::vector<std::span<const float>> projection_weights() const override;
  std::unique_ptr<Judge> judge(Accuracy accuracy) const override;

  /// Of each output, on a copy of the weights. Of special launches on the first copy it was worked out once a spec.
  std::vector<ExpectedOutput> expected(const LaunchInputs& launch, Accuracy accuracy) const;
  /// One element of an op with groups.
  std::vector<ExpectedValue> expected_some(const LaunchInputs& launch, Accuracy accuracy,
                                           std::span<const int64_t> elements) const;
  const std::vector<Tensor>& outputs() const { return outputs_; }

 private:
  void add_up_groups();
  struct Special {
    Variation variation;
    std::map<Accuracy, std::vector<ExpectedOutput>> on_first_copy;
  };
  void compare_opinions();
  /// all: what is expected there by the first one, in the exact class.
  void compare_opinions(const Variation& variation, const std::vector<ExpectedOutput>& all, int64_t samples) const;
  std::vector<ExpectedOutput> work_out(const LaunchInputs& launch, Accuracy accuracy) const;
  void draw_specials();
  OpDraw draw_of(const Variation& variation) const;
  /// Whether what it needs has been added up.
  bool is_grouped(const Variation& variation) const;

  const SpecInputs& inputs_;
  const std::optional<Spec> other_numbers_;  // half of the special draws have those
  std::vector<Accuracy> classes_;            // asked for, but not exact, each once
  std::vector<std::vector<float>> sums_;     // of an op with groups, of each copy
  std::vector<Tensor> outputs_;
  std::unique_ptr<RowSums> row_sums_;  // of the first copy
  std::vector<Special> specials_;
  std::vector<std::vector<float>> columns_;  // of projections: a weight each, of each output
};

}  // namespace assay
