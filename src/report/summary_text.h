// A trace on one screen of 80 by 40: what people want first.
#pragma once
#include <string>

#include "analysis/accounting.h"
#include "report/analysis_text.h"
#include "trace/reader.h"

namespace assay {

struct TraceSummary {
  std::string trace;
  const ReadTotals& totals;
  const ClassicCounts& counts;
  const StringTable& strings;
  const Accounts& accounts;
  const ShapeReport& shapes;
};

/// At most 38 lines, at most `options.width` columns (80 where that is 0).
std::string summary_text(const TraceSummary& summary, const AnalysisTextOptions& options);

}  // namespace assay
