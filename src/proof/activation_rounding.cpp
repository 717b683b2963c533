// What the accuracy classes round away of a spec's activations.
#include "proof/activation_rounding.h"

#include <set>

#include "ops/matmul.h"

namespace assay {

std::vector<ActivationRounding> activation_roundings(const SpecInputs& inputs, const std::vector<Accuracy>& classes) {
  std::vector<ActivationRounding> all;
  const size_t k = size_t(matmul_of(inputs.spec()).k);
  for (const Accuracy accuracy : std::set<Accuracy>(classes.begin(), classes.end())) {
    if (accuracy == Accuracy::exact) continue;
    ActivationRounding& rounding = all.emplace_back(ActivationRounding{accuracy, {}});
    for (size_t row = 0; row < inputs.a_logical.size(); row += k) {
      const std::vector<double> of_row = rounding_variances(accuracy, {&inputs.a_logical[row], k});
      rounding.variances.insert(rounding.variances.end(), of_row.begin(), of_row.end());
    }
  }
  return all;
}

}  // namespace assay
