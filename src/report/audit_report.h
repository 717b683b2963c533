// An audit of a probe log as text, as a table of rows for CSV, and as JSON.
#pragma once
#include <string>

#include "report/table.h"
#include "report/text.h"
#include "trace/audit.h"

namespace assay {

/// One row a row of the log: what it says, the verdict, its place in the corrected ranking.
Table audit_table(const Audit& audit);

/// The counts, what no variant solves, crowns that fall, the corrected ranking; with `verbose` every row.
std::string audit_text(const Audit& audit, const ReportOptions& options = {});

/// The same as Markdown: the counts as they are, crowns that fall as a list, the corrected ranking as a table.
std::string audit_markdown(const Audit& audit);

/// Everything the audit knows, on one line; NaN is null, infinities are "inf".
std::string audit_json(const Audit& audit);

}  // namespace assay
