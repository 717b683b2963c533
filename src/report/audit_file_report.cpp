// Logs are judged, rendered and let go one at a time.
#include "report/audit_file_report.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/terminal.h"
#include "report/csv.h"
#include "report/markdown.h"

namespace assay {
namespace {

std::string dumped(const Json& json) { return json.dump(); }

}  // namespace

AuditFileReport::AuditFileReport(std::string file, const AuditOptions& options, const AuditFormats& formats)
    : file_(std::move(file)), options_(options), formats_(formats) {
  if (formats_.csv) csv_ = csv_table(audit_table());
}

void AuditFileReport::add(ProbeLog log) {
  constexpr size_t kMostKnown = 100'000;
  const uint64_t content = log.content;
  if (const auto known = known_.find(content); known != known_.end()) {
    ++known->second.times;
    return totals_.add(known->second.counts);
  }
  const Audit audit = audit_log(std::move(log), options_);
  const size_t number = ++distinct_;
  totals_.add(audit);
  if (known_.size() < kMostKnown) known_.emplace(content, KnownLog{audit, 1});
  if (number <= kShownLogs || formats_.text.verbose)
    shown_.push_back({number, audit.log.line, content, audit, audit_text(audit, formats_.text),
                      formats_.markdown ? audit_markdown(audit) : ""});
  for (const AuditSpec& spec : audit.specs) {
    if (formats_.json)
      json_specs_ += (json_specs_.empty() ? "" : ",") + dumped(audit_spec_json(spec, options_, number));
    if (!formats_.csv) continue;
    Table rows;
    add_audit_rows(rows, spec, options_, number);
    csv_ += csv_rows(rows);
  }
  if (!formats_.json) return;
  json_logs_.emplace_back(content, dumped(audit_log_json(audit, number)));
  json_logs_.back().second.pop_back();
}

size_t AuditFileReport::times(uint64_t content) const {
  const auto known = known_.find(content);
  return known == known_.end() ? 1 : known->second.times;
}

std::string AuditFileReport::heading(const ShownLog& log) const {
  std::string place;
  if (totals_.logs > 1) {
    const size_t count = times(log.content);
    place = fmt::format(", log {} (line {}{})", log.number, log.line,
                        count > 1 ? fmt::format(", {} times word for word", count) : "");
  }
  return fmt::format("Audit of {}{}: {} specs, {} rows", one_line(file_), place, log.counts.spec_count,
                     log.counts.rows);
}

std::string AuditFileReport::left_out() const {
  if (distinct_ <= shown_.size()) return "";
  return fmt::format("… and {} more logs, which only count below (--verbose shows them)\n\n",
                     distinct_ - shown_.size());
}

std::string AuditFileReport::text() const {
  std::string out;
  if (!cut_off_.empty()) out += "The file ends early, what follows is lost: " + one_line(cut_off_) + "\n";
  for (const ShownLog& log : shown_)
    out += paint(heading(log), Colour::bold, formats_.text.colour) + "\n" + log.text + (totals_.logs > 1 ? "\n" : "");
  if (totals_.logs == 1) return out;
  out += left_out();
  out += paint(fmt::format("All {} logs of {}: {} specs, {} rows", totals_.logs, one_line(file_), totals_.spec_count,
                           totals_.rows),
               Colour::bold, formats_.text.colour) +
         "\n";
  out += audit_counts_text(totals_, options_, "each judged by its own log's best right row", formats_.text.colour);
  return out;
}

std::string AuditFileReport::markdown() const {
  std::string out = "# assay audit\n\n";
  if (!cut_off_.empty()) out += "The file ends early, what follows is lost: " + markdown_code(cut_off_) + "\n\n";
  for (const ShownLog& log : shown_) out += fmt::format("## {}\n\n{}\n", markdown_code(heading(log)), log.markdown);
  if (totals_.logs == 1) return out;
  return out + left_out() +
         fmt::format("## All {} logs\n\n```\n{}```\n", totals_.logs,
                     audit_counts_text(totals_, options_, "each judged by its own log's best right row", false));
}

std::string AuditFileReport::csv() const { return csv_; }

std::string AuditFileReport::json() const {
  std::string logs;
  for (const auto& [content, log] : json_logs_)
    logs += (logs.empty() ? "" : ",") + log + fmt::format(",\"times\":{}}}", times(content));
  Json head = {{"schema", "assay-audit"}, {"version", 2}, {"file", file_}, {"max_rel", options_.max_rel}};
  head["cut_off"] = cut_off_;
  head["counts"] = audit_counts_json(totals_);
  std::string text = dumped(head);
  text.pop_back();
  return text + ",\"logs\":[" + logs + "],\"specs\":[" + json_specs_ + "]}\n";
}

}  // namespace assay
