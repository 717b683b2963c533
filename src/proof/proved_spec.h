// A spec's inputs and their right answers: what all visits to it share.
#pragma once
#include <memory>
#include <vector>

#include "proof/proof.h"

namespace assay {

class ProvedSpec {
 public:
  /// Reads all copies of the weights. classes: of all kernels to come. Error "suspect the reference" if two opinions
  /// disagree.
  ProvedSpec(const Spec& spec, Arenas& arenas, int64_t footprint, const std::vector<Accuracy>& classes)
      : inputs_(spec, arenas, footprint), proof_(make_proof(inputs_, classes)) {}

  const SpecInputs& inputs() const { return inputs_; }
  const Proof& proof() const { return *proof_; }

  /// Between two visits other specs may be in the arenas.
  void leave() {
    inputs_.leave();
    proof_->leave();
  }
  void come_back() {
    inputs_.enter();
    proof_->come_back();
  }

 private:
  SpecInputs inputs_;
  std::unique_ptr<Proof> proof_;
};

}  // namespace assay
