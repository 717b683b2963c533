// The report as Markdown (GitHub's tables).
#pragma once
#include <string>

#include "probe/sweep_report.h"
#include "report/table.h"

namespace assay {

std::string markdown_table(const Table& table);

std::string markdown_report(const SweepReport& report);

}  // namespace assay
