// The operands of one launch of an op that is no product, on the host.
#pragma once
#include <vector>

#include "proof/proof.h"
#include "spec/op.h"

namespace assay {

/// Other contents of the constant operand at a place in the spec: some of its values twice as large or half as large.
std::vector<std::byte> other_constant(const SpecInputs& inputs, size_t place, uint64_t drawn);

/// Its varied operands, and where the others lie. The proof's inputs outlive it.
class HostLaunch {
 public:
  HostLaunch(const Proof& proof, const LaunchInputs& launch, Accuracy accuracy);
  HostLaunch(const HostLaunch&) = delete;
  HostLaunch& operator=(const HostLaunch&) = delete;

  const OpValues& values() const { return values_; }
  /// Of the varied operands, in the spec's order; what is written there counts.
  std::vector<std::vector<std::byte>>& varied() { return varied_; }

 private:
  std::vector<Tensor> tensors_;
  std::vector<std::vector<std::byte>> varied_, constants_;
  OpValues values_;
};

}  // namespace assay
