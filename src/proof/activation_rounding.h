// What the accuracy classes round away of a spec's activations: the variance of each value of A.
#pragma once
#include <vector>

#include "proof/inputs.h"
#include "spec/accuracy.h"

namespace assay {

/// A class, and for each value of A in logical order the variance of its error.
struct ActivationRounding {
  Accuracy accuracy;
  std::vector<double> variances;
};

/// Of each of these classes once; exact rounds nothing and has none.
std::vector<ActivationRounding> activation_roundings(const SpecInputs& inputs, const std::vector<Accuracy>& classes);

}  // namespace assay
