// An audit of one log as text, as a table of rows, and as JSON.
#pragma once
#include <string>

#include "audit/audit.h"
#include "base/json_reader.h"
#include "report/table.h"
#include "report/text.h"

namespace assay {

/// Columns of audit_table(), and one row a row of the log, rows that stand again counted in `times`: what it says, the
/// verdict, its place in the corrected ranking. `log`: the log's number in its file, from 1.
Table audit_table();
void add_audit_rows(Table& table, const AuditSpec& spec, const AuditOptions& options, size_t log);

/// "20 specs, 176 rows" and the counts, a line each. `yardstick`: what impossible times are faster than.
std::string audit_counts_text(const AuditCounts& counts, const AuditOptions& options, const std::string& yardstick,
                              bool colour);

/// What follows the heading: the counts, what no variant solves, crowns that fall, the corrected ranking; with
/// `verbose` every row.
std::string audit_text(const Audit& audit, const ReportOptions& options = {});

/// The same as Markdown: the counts as they are, crowns that fall as a list, the corrected ranking as a table.
std::string audit_markdown(const Audit& audit);

/// NaN is null, infinities are "inf".
Json audit_counts_json(const AuditCounts& counts);
Json audit_spec_json(const AuditSpec& spec, const AuditOptions& options, size_t log);
/// All but its specs.
Json audit_log_json(const Audit& audit, size_t log);

}  // namespace assay
