// In which order kernels are tried: what was fast somewhere comes first. Nothing here is believed.
#pragma once
#include <string>
#include <vector>

#include "probe/plan.h"
#include "store/store.h"

namespace assay {

/// Indices of the planned cases: the default first, then by how far each was behind the best in past results of any
/// device for the same spec, else on average for specs with the same op and weights' type; what nobody has measured
/// comes after that, enabled ones before those that a manifest disables.
std::vector<size_t> trial_order(const PlannedSpec& planned, const std::string& default_variant,
                                const std::vector<PastTime>& past, const std::string& kind);

}  // namespace assay
