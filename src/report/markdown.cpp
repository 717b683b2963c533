// Markdown writing.
#include "report/markdown.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/joined.h"
#include "base/terminal.h"
#include "report/rows.h"

namespace assay {

std::string markdown_code(std::string text) {
  std::replace(text.begin(), text.end(), '`', '\'');
  return "`" + one_line(text) + "`";
}

std::string markdown_list(const std::string& title, const std::vector<std::string>& pieces) {
  if (pieces.empty()) return "";
  std::string out = "\n" + title + "\n\n";
  for (const std::string& piece : pieces) out += "- " + piece + "\n";
  return out;
}

namespace {

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : one_line(text)) {
    if (c == '|' || c == '*' || c == '\\' || c == '`' || c == '[') out += '\\';
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

std::string row_text(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

std::vector<std::string> as_code(const std::vector<std::string>& texts) {
  std::vector<std::string> lines;
  for (const std::string& text : texts) lines.push_back(markdown_code(text));
  return lines;
}

std::vector<std::string> as_items(const std::vector<VariantFailures>& failures) {
  std::vector<std::string> items;
  for (const VariantFailures& failure : failures) {
    std::vector<std::string> parts;
    for (const std::string& part : failure.parts) parts.push_back(escaped(part));
    items.push_back(fmt::format("{}: {}", markdown_code(failure.variant), joined(parts, ", ")));
  }
  return items;
}

std::string limits_text(const RankedSpec& spec) {
  std::string text;
  if (spec.floor_us > 0) text += fmt::format("Floor {:.2f} us. ", spec.floor_us);
  if (spec.reachable_us > 0) text += fmt::format("Reachable {:.2f} us. ", spec.reachable_us);
  if (spec.original_ms > 0 && !spec.original_device.empty())
    text += fmt::format("Seen elsewhere: {:.3f} ms on {}. ", spec.original_ms, escaped(spec.original_device));
  if (!spec.quarantine.empty()) text += fmt::format("**Quarantined**: {}. ", escaped(spec.quarantine));
  if (!spec.apart.empty()) text += fmt::format("**Measured apart**: {}. ", escaped(spec.apart));
  if (!text.empty()) text.pop_back();
  return text;
}

}  // namespace

std::string markdown_table(const Table& full) {
  const Table table = shown_columns(full);
  std::vector<std::string> titles, rules;
  for (const Column& column : table.columns) {
    titles.push_back(escaped(column.title));
    rules.push_back(column.format == Column::Format::text ? "---" : "---:");
  }
  std::string out = row_text(titles) + row_text(rules);
  const auto add = [&](const std::vector<Cell>& cells, bool bold) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < cells.size(); ++i) {
      const bool empty = bold && std::holds_alternative<std::monostate>(cells[i]);
      const std::string text = empty ? "" : escaped(cell_text(cells[i], table.columns[i].format));
      texts.push_back(bold && !text.empty() ? "**" + text + "**" : text);
    }
    out += row_text(texts);
  };
  for (const auto& row : table.rows) add(row, false);
  if (!table.sums.empty()) add(table.sums, true);
  for (const std::string& note : table.notes) out += "\n" + escaped(note) + "\n";
  return out;
}

std::string markdown_report(const SweepReport& report) {
  const CaseCounts counts = count_cases(report);
  std::string out = fmt::format("# assay probe: {}\n\n", escaped(report.device));
  if (!report.device_text.empty()) out += escaped(report.device_text) + ". ";
  if (!report.method.empty()) out += fmt::format("Method: {}. ", escaped(report.method));
  out += fmt::format("{}{} cases, {} passed, {} failed", report.interrupted ? "Interrupted. " : "", counts.cases,
                     counts.passed, counts.failed);
  for (const std::string& other : other_counts(counts)) out += ", " + other;
  out += ".\n";
  if (report.read_gbps > 0)
    out += fmt::format("Ceilings: read {:.1f} GB/s, copy {:.1f} GB/s, dispatch {:.2f} us.\n", report.read_gbps,
                       report.copy_gbps, report.dispatch_us);
  for (const WorkloadTable& workload : report.workloads) {
    const Table rows = workload_rows(workload);
    out += fmt::format("\n## {}\n\n{}", escaped(rows.title), markdown_table(rows));
    out += markdown_list("Missing (no proved variant; in no sum):", as_code(workload.missing));
    out += markdown_list("Quarantined lines (no rule completes them):", as_code(workload.quarantined));
  }
  if (!report.specs.empty()) out += "\n## Specs\n";
  for (const RankedSpec& spec : report.specs) {
    out += fmt::format("\n### {}\n\n", markdown_code(spec.spec_line));
    if (const std::string limits = limits_text(spec); !limits.empty()) out += limits + "\n\n";
    out += markdown_table(shown_columns(case_table(report, spec), {"spec"}));
  }
  out += markdown_list("## Variant failures", as_items(variant_failures(report)));
  out += markdown_list("## Unsupported when asked", as_items(unsupported_cases(report)));
  return out;
}

}  // namespace assay
