// What D of a launch must be, element by element, with what the kernel's class allows: for those who keep it.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "proof/inputs.h"
#include "spec/accuracy.h"

namespace assay {

struct BoundedValue {
  double value = 0, bound = 0;  // |error| at most; of an element alone, as a Judge allows it
};

struct BoundedOutputs {
  std::vector<BoundedValue> values;                  // of what is written, one range after another
  std::vector<std::pair<int64_t, int64_t>> written;  // elements [first, end) of all outputs; others stay as they were
};

/// All of D (segments one after another) on the first copy of the weights and A's base value. Error "suspect the
/// reference" if two opinions disagree.
BoundedOutputs bounded_values(const SpecInputs& inputs, Accuracy accuracy);

}  // namespace assay
