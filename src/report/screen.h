// What a probe prints: the seeds' lines where no person reads along; on a terminal the verdict, and all rows where they
// are asked for.
#pragma once
#include <string>

#include "base/terminal.h"
#include "probe/sweep_report.h"

namespace assay {

struct ScreenOptions {
  bool full = false;     // on a terminal: a row a case, failures and workloads, as text.h writes them
  bool skips = false;    // also the pairs left out, a line a reason
  bool verbose = false;  // full, and where each line of a workload comes from
};

std::string probe_text(const SweepReport& report, const ScreenOptions& options, const Terminal& terminal);

}  // namespace assay
