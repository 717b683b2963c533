// The judgement on a printed table of operations.
#include "report/table_audit_report.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/terminal.h"
#include "report/csv.h"
#include "report/markdown.h"
#include "report/table_json.h"

namespace assay {
namespace {

Table findings_table(const TableAudit& audit) {
  using F = Column::Format;
  Table table;
  table.columns = {{"fault", "fault", F::text, 9},
                   {"what", "row or operation", F::text, 9, 20},
                   {"column", "column", F::text, 9},
                   {"evidence", "evidence", F::text, 8, 30}};
  for (const TableFinding& f : audit.findings)
    table.rows.push_back({table_fault_name(f.fault), f.what, f.column, f.evidence});
  return table;
}

std::string counts(const TableAudit& audit) {
  std::string out;
  for (const TableFault fault : {TableFault::impossible, TableFault::does_not_scale, TableFault::same_over_axes,
                                 TableFault::out_of_step, TableFault::absent, TableFault::average_hides})
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", table_fault_name(fault), audit.count(fault));
  return out;
}

std::string head(const TableAudit& audit) {
  return fmt::format("Audit of {}: a table of {} rows, {} columns", one_line(audit.file), audit.rows,
                     audit.columns.size());
}

std::string rates(const TableAudit& audit) {
  std::string out;
  for (const BestRate& rate : audit.rates)
    out += rate.gbps > 0 ? fmt::format("  {}: {:.1f} GB/s ({})\n", rate.column, rate.gbps, rate.row)
                         : fmt::format("  {}: no large row that streams\n", rate.column);
  return out;
}

}  // namespace

std::string table_audit_text(const TableAudit& audit, size_t width, bool colour) {
  std::string out = paint(head(audit), Colour::bold, colour) +
                    "\n\nBest rate of a row that only streams, by column:\n" + rates(audit);
  out += "\n" + render_table(findings_table(audit), width, colour) + "\nFindings: " + counts(audit) + "\n";
  out +=
      "What no number here can show: whether BCE takes logits or probabilities, what layout a convolution reads, "
      "whether an "
      "answer is right. assay opbench checks each.\n";
  if (audit.unknown_rows > 0)
    out += fmt::format("{} rows name no operation that is known: not judged.\n", audit.unknown_rows);
  for (const std::string& line : audit.unread) out += "Not read: " + one_line(line) + "\n";
  return out;
}

std::string table_audit_markdown(const TableAudit& audit) {
  return "# assay audit\n\n## " + markdown_code(head(audit)) + "\n\n```\n" + rates(audit) + "```\n\n" +
         markdown_table(findings_table(audit)) + "\nFindings: " + counts(audit) + "\n";
}

std::string table_audit_csv(const TableAudit& audit) { return csv_table(findings_table(audit)); }

std::string table_audit_json(const TableAudit& audit) {
  Json best = Json::array(), totals;
  for (const BestRate& rate : audit.rates)
    best.push_back({{"column", rate.column}, {"row", rate.row}, {"gbps", rate.gbps}});
  for (const TableFinding& f : audit.findings) totals[table_fault_name(f.fault)] = audit.count(f.fault);
  return json_line({{"schema", "assay-table-audit"},
                    {"version", 1},
                    {"file", audit.file},
                    {"rows", audit.rows},
                    {"columns", audit.columns},
                    {"best_rates", best},
                    {"counts", totals},
                    {"findings", to_json(findings_table(audit))},
                    {"unread", audit.unread}});
}

}  // namespace assay
