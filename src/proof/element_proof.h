// The proof of an op that is no product: all of D is computed anew for each launch that is judged.
#pragma once
#include <memory>
#include <vector>

#include "proof/proof.h"
#include "spec/op.h"

namespace assay {

class ElementProof final : public Proof {
 public:
  /// Error "suspect the reference" if the op's second opinion disagrees on a sampled element.
  explicit ElementProof(const SpecInputs& inputs);

  const SpecInputs& inputs() const override { return inputs_; }
  bool knows(int64_t) const override { return true; }
  Variation draw(std::mt19937_64& random, int64_t launches, bool comparable) const override;
  void varied_a(const Variation& variation, std::vector<std::byte>& bytes) const override;
  std::vector<std::span<const float>> projection_weights() const override;
  std::unique_ptr<Judge> judge(Accuracy accuracy) const override;

  /// All of D, on a copy of the weights.
  std::vector<ExpectedValue> expected(const LaunchInputs& launch) const;

 private:
  std::vector<double> varied(const Variation& variation) const;
  std::vector<float> weights_of(int64_t copy) const;

  const SpecInputs& inputs_;
  std::vector<float> columns_;  // of projections
};

}  // namespace assay
