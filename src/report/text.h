// The summary of a probe in the line format of seed-000 ("Matmul benchmark summary"), with assay's fields after it.
#pragma once
#include <string>

#include "probe/sweep_report.h"

namespace assay {

struct ReportOptions {
  bool verbose = false;  // also where each workload line comes from
  bool colour = false;
  size_t width =
      0;  // of the terminal: nothing is wider, cases are rows of tables, skips are left to skips.h; 0: the seeds' lines
};

std::string text_report(const SweepReport& report, const ReportOptions& options = {});

}  // namespace assay
