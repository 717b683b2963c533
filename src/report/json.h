// The report as JSON, raw samples included, and its cases read back for compare.
#pragma once
#include <string>
#include <vector>

#include "probe/sweep_report.h"

namespace assay {

/// Everything the report knows, on one line; "about" explains the fields. NaN is null, infinities are "inf" and "-inf".
std::string json_report(const SweepReport& report);

/// The cases of a JSON report, as they were. Error "FILE at /pointer: …" where it is not one; a newer version says so.
std::vector<CaseRecord> read_report_json(const std::string& text, const std::string& file);

}  // namespace assay
