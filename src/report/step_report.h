// What `assay specs` shows of a model's step.
#pragma once
#include <string>

#include "base/terminal.h"
#include "model/step.h"

namespace assay {

/// A row a distinct spec: calls and bytes in the step, its share of the step's bytes, the tensors, or why it is not
/// measured yet.
std::string step_text(const std::string& name, const StepRequest& request, const std::vector<StepFold>& folds,
                      const Terminal& terminal);

}  // namespace assay
