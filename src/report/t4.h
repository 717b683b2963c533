// A sweep as the auto-tuning community exchanges results: T4 JSON, version 1.0.0.
#pragma once
#include <string>
#include <vector>

#include "kernel/manifest.h"
#include "probe/sweep_report.h"

namespace assay {

/// One result a case; times in ms. `variants` give the parameters of those that are known here.
std::string t4_json(const SweepReport& report, const std::vector<const Variant*>& variants);

}  // namespace assay
