// Dispatch tables as people read them.
#include "report/dispatch_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/joined.h"

namespace assay {
namespace {

using F = Column::Format;

const TableEntry* entry_for(const TableDevice& device, const std::string& bucket) {
  const auto found = std::find_if(device.entries.begin(), device.entries.end(),
                                  [&](const TableEntry& entry) { return entry.bucket.line() == bucket; });
  return found == device.entries.end() ? nullptr : &*found;
}

Cell text_or_nothing(const std::string& text) { return text.empty() ? Cell() : Cell(text); }
Cell number_or_nothing(double value) { return value > 0 ? Cell(value) : Cell(); }

/// What an engine would do otherwise: not the evidence, which two measurings never have alike.
std::string choice_text(const TableEntry* entry) {
  if (!entry) return "";
  std::string text = entry->variant;
  if (!entry->fallback.empty()) text += fmt::format(" (else {})", joined(entry->fallback, ", "));
  return text;
}

std::string step_text(const TableStep& step) {
  std::string text =
      fmt::format("{} at {} tokens: predicted {:.3f} ms per token", step.model, step.depth, step.predicted_ms);
  if (step.achieved_ms > 0)
    text += fmt::format(", achieved {:.3f} ({:.3f} to {:.3f})", step.achieved_ms, step.low_ms, step.high_ms);
  if (step.default_achieved_ms > 0) text += fmt::format("; with the defaults {:.3f}", step.default_achieved_ms);
  return text + fmt::format("; floor {:.3f}", step.floor_ms);
}

}  // namespace

Table dispatch_rows(const TableDevice& device, const std::string& title,
                    const std::function<std::string(const TableEntry&)>& problem_of) {
  Table table{title,
              {{"bucket", "bucket", F::text, 9, 24},
               {"variant", "variant", F::text, 9, 16},
               {"accuracy", "class", F::text, 6},
               {"storage", "storage", F::text, 3},
               {"us", "us", F::fixed2, 7},
               {"margin_percent", "margin %", F::fixed1, 7},
               {"ties", "ties with", F::text, 4, 12},
               {"result", "result", F::text, 2, 8},
               {"fallback", "else", F::text, 5, 12},
               {"holds", "here", F::text, 8}},
              {},
              {},
              {}};
  for (const TableEntry& entry : device.entries) {
    const TableEvidence& evidence = entry.evidence;
    const std::string problem = problem_of(entry);
    table.rows.push_back({entry.bucket.line(), entry.variant, std::string(accuracy_name(entry.accuracy)),
                          text_or_nothing(entry.storage), number_or_nothing(evidence.us),
                          evidence.result.empty() ? Cell() : Cell(evidence.margin_percent),
                          text_or_nothing(joined(evidence.ties, " ")), text_or_nothing(evidence.result),
                          text_or_nothing(joined(entry.fallback, " ")),
                          problem.empty()                      ? "holds"
                          : problem.starts_with("has expired") ? "expired"
                                                               : "no"});
    if (!problem.empty()) table.notes.push_back(entry.bucket.line() + ": " + problem);
  }
  for (const TableStep& step : device.steps) table.notes.push_back(step_text(step));
  table.notes.emplace_back("the first entry whose bucket takes a spec counts; without a time it is a default");
  return table;
}

Table dispatch_diff(const TableDevice& before, const TableDevice& after, const std::string& title) {
  Table table{
      title,
      {{"bucket", "bucket", F::text, 9, 24}, {"before", "before", F::text, 9, 16}, {"after", "after", F::text, 9, 16}},
      {},
      {},
      {}};
  std::vector<std::string> common_before, common_after;
  for (const TableEntry& entry : before.entries) {
    const TableEntry* other = entry_for(after, entry.bucket.line());
    if (other) common_before.push_back(entry.bucket.line());
    if (choice_text(&entry) != choice_text(other))
      table.rows.push_back({entry.bucket.line(), choice_text(&entry), text_or_nothing(choice_text(other))});
  }
  for (const TableEntry& entry : after.entries)
    if (entry_for(before, entry.bucket.line()))
      common_after.push_back(entry.bucket.line());
    else
      table.rows.push_back({entry.bucket.line(), Cell(), choice_text(&entry)});
  if (common_before != common_after)
    table.notes.emplace_back("the order of the common entries differs; the first that takes a spec counts");
  return table;
}

}  // namespace assay
