// The report as Markdown (GitHub's tables).
#pragma once
#include <string>

#include "probe/sweep_report.h"
#include "report/table.h"

namespace assay {

std::string markdown_table(const Table& table);

/// Text of any bytes as code on one line; a titled list of such pieces, "" where it is empty.
std::string markdown_code(std::string text);
std::string markdown_list(const std::string& title, const std::vector<std::string>& pieces);

std::string markdown_report(const SweepReport& report);

}  // namespace assay
