// The verdict of a probe on one screen: what each workload costs, who wins the hot specs, what went wrong, where to
// look.
#pragma once
#include <string>

#include "probe/sweep_report.h"

namespace assay {

struct ScreenSize {
  size_t width = 80, height = 40;
};

/// At most height − 1 lines (the prompt takes one), none wider than the screen. Rows are left out, the hottest last,
/// until they fit.
std::string verdict_report(const SweepReport& report, ScreenSize screen = {}, bool colour = false);

}  // namespace assay
