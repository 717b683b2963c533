// The audit's text and its tables.
#include "report/audit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/terminal.h"
#include "report/markdown.h"
#include "report/rows.h"

namespace assay {
namespace {

using Format = Column::Format;

Cell known(double value) { return value > 0 ? Cell(value) : Cell(); }
Cell milliseconds(double us) { return std::isnan(us) ? Cell() : Cell(us / 1e3); }
Cell error_cell(const std::optional<double>& error) {
  if (!error) return {};
  return std::isnan(*error) ? Cell(std::string("nan")) : Cell(*error);
}
std::string time_text(double us) { return std::isnan(us) ? "-" : fmt::format("{:.3f} ms", us / 1e3); }

std::string tags_text(const ProbeRow& row) { return fmt::format("{}", fmt::join(row.tags, " ")); }

std::string shown_spec(const AuditSpec& spec) { return short_spec(spec.full_text); }

std::string verdict_text(const AuditRow& row) {
  std::string text(row_verdict_name(row.verdict));
  if (row.impossible) text += ", impossible";
  return text;
}

/// "maxRel 1.8970e+00 to 1.9803e+00", or what else is known of a spec that nothing solves.
std::string unsolved_text(const AuditSpec& spec) {
  double least = INFINITY, most = 0;
  for (const AuditRow& row : spec.rows)
    if (row.row.max_rel) least = std::min(least, *row.row.max_rel), most = std::max(most, *row.row.max_rel);
  const std::string range = std::isinf(least) ? "" : fmt::format(", maxRel {:.4e} to {:.4e}", least, most);
  return fmt::format("{} (line {}): {} of {} rows wrong{}", shown_spec(spec), spec.line, spec.count(RowVerdict::wrong),
                     spec.rows.size(), range);
}

std::string crown_text(const AuditSpec& spec, const Crown& crown) {
  const AuditRow& row = spec.rows[crown.row];
  const int best = crown.of_host ? spec.best_host : spec.best_device;
  const auto time = [&](const ProbeRow& r) { return time_text(crown.of_host ? r.host_us : r.device_us); };
  std::string why = row.why;
  if (row.impossible) why += (why.empty() ? "" : "; ") + std::string("impossible time");
  std::string text =
      fmt::format("[{}] {} {} at {} (line {}): {}", crown.tag, row.row.variant, time(row.row), shown_spec(spec),
                  row.row.line, crown.verdict == CrownVerdict::slower ? "another right row is faster" : why);
  if (best < 0) return text + "; nothing right to crown";
  const ProbeRow& heir = spec.rows[size_t(best)].row;
  return text + fmt::format("; belongs to {} {}", heir.variant, time(heir));
}

void add_list(std::string& out, const std::string& title, const std::vector<std::string>& lines, bool colour) {
  if (lines.empty()) return;
  out += "\n" + paint(title, Colour::bold, colour) + "\n";
  for (const std::string& line : lines) out += " - " + one_line(line) + "\n";
}

std::string counts_text(const Audit& audit, bool colour) {
  std::string out;
  const auto line = [&](const char* name, size_t count, size_t of, const std::string& note) {
    const std::string counts = fmt::format("{} of {}", count, of);
    out += fmt::format("  {:<30}{}", name,
                       paint(fmt::format("{:>12}", counts), count > 0 ? Colour::red : Colour::green, colour));
    out += (note.empty() ? "" : "   " + note) + "\n";
  };
  line("wrong rows", audit.wrong, audit.rows, fmt::format("maxRel above {:g}", audit.options.max_rel));
  line("crowns on wrong rows", audit.crowns_wrong, audit.crowns, "");
  line("specs that no variant solves", audit.unsolved, audit.specs.size(),
       audit.unsolved > 0 ? "suspect the reference or the harness" : "");
  std::string best = "no right row has a bandwidth to compare with";
  if (audit.best_gbps > 0) {
    const AuditSpec& spec = audit.specs[audit.best_gbps_spec];
    best = fmt::format("above {:.1f} GB/s, the best of a right row: {} at {}", audit.best_gbps,
                       spec.rows[audit.best_gbps_row].row.variant, shown_spec(spec));
  }
  line("impossible times", audit.impossible, audit.rows, best);
  if (audit.crowns_slower > 0) line("crowns with a faster right row", audit.crowns_slower, audit.crowns, "");
  if (audit.unchecked > 0) line("rows without maxRel", audit.unchecked, audit.rows, "");
  if (audit.failed > 0) line("rows that never ran", audit.failed, audit.rows, "");
  return out;
}

/// What needs no verdict: host time, tags, what the log claims of itself.
std::string remarks_text(const Audit& audit) {
  std::string out;
  const Summary& host = audit.submission_us;
  if (host.count > 0)
    out += fmt::format(
        "  host time per submission beyond the device's: median {:.3f} ms, {:.3f} to {:.3f} ms over {} rows\n",
        host.median / 1e3, host.min / 1e3, host.max / 1e3, host.count);
  if (audit.host_below_device > 0)
    out += fmt::format(
        "  host time below the device's in {} rows: averages of different launches, or a clock that is off\n",
        audit.host_below_device);
  if (audit.host_gap_tags + audit.host_gap_by_rule > 0)
    out += fmt::format(
        "  host-gap tags: {} in the log, {} by the rule (device within {:g} ms of the best's, host at least {:g} ms "
        "sooner), {} in both\n",
        audit.host_gap_tags, audit.host_gap_by_rule, audit.options.host_gap_device_ms, audit.options.host_gap_host_ms,
        audit.host_gap_agree);
  if (audit.log.claimed_results >= 0 && size_t(audit.log.claimed_results) != audit.rows)
    out += fmt::format("  the log speaks of {} results, {} rows were read: it may be cut off\n",
                       audit.log.claimed_results, audit.rows);
  std::vector<std::string> rules;
  for (const AuditSpec& spec : audit.specs)
    if (!spec.completed.empty() && std::find(rules.begin(), rules.end(), spec.completed) == rules.end())
      rules.push_back(spec.completed);
  for (const std::string& rule : rules)
    out += rule == "?" ? "  bytes of some specs are unknown: their lines cannot be completed\n"
                       : fmt::format("  fields that lines lack are taken as {}\n", rule);
  return out;
}

/// One row a spec: whom the log crowned on the device, and who ranks first once wrong rows are out.
Table ranking_table(const Audit& audit) {
  Table table;
  table.title = "Corrected ranking, by device time";
  table.columns = {{"spec", "spec", Format::text, 9, 18},
                   {"crowned", "the log's best", Format::text, 8, 14},
                   {"crowned_ms", "ms", Format::fixed3, 7, 0},
                   {"crown", "crown", Format::text, 6, 0},
                   {"best", "best right row", Format::text, 10, 14},
                   {"best_ms", "ms", Format::fixed3, 9, 0},
                   {"gbps", "GB/s", Format::fixed1, 5, 0},
                   {"right", "right", Format::text, 4, 0},
                   {"best_host", "best on host", Format::text, 3, 14},
                   {"best_host_ms", "ms", Format::fixed3, 3, 0}};
  for (const AuditSpec& spec : audit.specs) {
    const auto crown = std::find_if(spec.crowns.begin(), spec.crowns.end(), [](const Crown& c) { return !c.of_host; });
    const AuditRow* crowned = crown == spec.crowns.end() ? nullptr : &spec.rows[crown->row];
    const AuditRow* best = spec.best_device < 0 ? nullptr : &spec.rows[size_t(spec.best_device)];
    const AuditRow* host = spec.best_host < 0 ? nullptr : &spec.rows[size_t(spec.best_host)];
    table.rows.push_back({shown_spec(spec), crowned ? Cell(crowned->row.variant) : Cell(),
                          crowned ? milliseconds(crowned->row.device_us) : Cell(),
                          crowned ? Cell(std::string(crown_verdict_name(crown->verdict))) : Cell(),
                          std::string(best                                ? best->row.variant
                                      : spec.count(RowVerdict::right) > 0 ? "(none ranks)"
                                                                          : "(none right)"),
                          best ? milliseconds(best->row.device_us) : Cell(), best ? known(best->gbps) : Cell(),
                          fmt::format("{}/{}", spec.count(RowVerdict::right), spec.rows.size()),
                          host ? Cell(host->row.variant) : Cell(), host ? milliseconds(host->row.host_us) : Cell()});
  }
  return table;
}

/// Rows of one spec as they rank; those that do not come last, in the log's order.
std::string rows_text(const Audit& audit) {
  std::string out;
  for (const AuditSpec& spec : audit.specs) {
    out += fmt::format("\nSpec {}:\n", spec.text);
    std::vector<const AuditRow*> order;
    for (const AuditRow& row : spec.rows) order.push_back(&row);
    std::stable_sort(order.begin(), order.end(), [](const AuditRow* a, const AuditRow* b) {
      return (a->device_rank ? a->device_rank : INT32_MAX) < (b->device_rank ? b->device_rank : INT32_MAX);
    });
    for (const AuditRow* row : order) {
      const std::string place = row->device_rank ? fmt::format("{}.", row->device_rank) : "-";
      std::string tags;
      for (const std::string& tag : row->row.tags) tags += " [" + tag + "]";
      out += fmt::format("  {:>3} {}{}: device {}, host {}, {}{}\n", place, row->row.variant, tags,
                         time_text(row->row.device_us), time_text(row->row.host_us), verdict_text(*row),
                         row->why.empty() ? "" : " (" + row->why + ")");
    }
  }
  return out;
}

}  // namespace

Table audit_table(const Audit& audit) {
  Table table;
  table.columns = {{"line", "line", Format::whole, 0, 0},
                   {"spec_line", "spec line", Format::text, 0, 0},
                   {"variant", "variant", Format::text, 0, 0},
                   {"tags", "tags", Format::text, 0, 0},
                   {"device_ms", "ms", Format::fixed3, 0, 0},
                   {"host_ms", "host ms", Format::fixed3, 0, 0},
                   {"submission_ms", "submission ms", Format::fixed3, 0, 0},
                   {"gbps", "GB/s", Format::fixed1, 0, 0},
                   {"max_abs", "maxAbs", Format::scientific, 0, 0},
                   {"max_rel", "maxRel", Format::scientific, 0, 0},
                   {"outcome", "outcome", Format::text, 0, 0},
                   {"verdict", "verdict", Format::text, 0, 0},
                   {"impossible", "impossible", Format::whole, 0, 0},
                   {"why", "why", Format::text, 0, 0},
                   {"device_rank", "rank", Format::whole, 0, 0},
                   {"host_rank", "host rank", Format::whole, 0, 0},
                   {"host_gap", "host gap", Format::whole, 0, 0}};
  for (const AuditSpec& spec : audit.specs)
    for (const AuditRow& row : spec.rows)
      table.rows.push_back({double(row.row.line), spec.text, row.row.variant, tags_text(row.row),
                            milliseconds(row.row.device_us), milliseconds(row.row.host_us),
                            milliseconds(row.submission_us()), known(row.gbps), error_cell(row.row.max_abs),
                            error_cell(row.row.max_rel), row.row.outcome, std::string(row_verdict_name(row.verdict)),
                            row.impossible ? 1.0 : 0.0, row.why, known(row.device_rank), known(row.host_rank),
                            row.host_gap ? 1.0 : 0.0});
  return table;
}

std::string audit_text(const Audit& audit, const ReportOptions& options) {
  std::string out =
      paint(fmt::format("Audit of {}: {} specs, {} rows", one_line(audit.log.file), audit.specs.size(), audit.rows),
            Colour::bold, options.colour) +
      "\n";
  out += counts_text(audit, options.colour) + remarks_text(audit);
  std::vector<std::string> unsolved, fallen, unread;
  for (const AuditSpec& spec : audit.specs) {
    if (spec.unsolved()) unsolved.push_back(unsolved_text(spec));
    for (const Crown& crown : spec.crowns)
      if (crown.verdict != CrownVerdict::stands && !spec.unsolved()) fallen.push_back(crown_text(spec, crown));
  }
  for (const ProbeLogTrouble& trouble : audit.log.unread)
    unread.push_back(fmt::format("line {}: {}", trouble.line, trouble.why));
  constexpr size_t kShown = 20;
  const size_t more = unread.size() > kShown ? unread.size() - kShown : 0;
  if (more > 0 && !options.verbose) {
    unread.resize(kShown);
    unread.push_back(fmt::format("and {} more (--verbose lists them)", more));
  }
  add_list(out, "Specs that no variant solves (all their crowns fall):", unsolved, options.colour);
  add_list(out, "Crowns that fall elsewhere:", fallen, options.colour);
  add_list(out, fmt::format("Lines that no rule reads ({}):", audit.log.unread.size()), unread, options.colour);
  out += "\n" + render_table(ranking_table(audit), options.width, options.colour);
  if (options.verbose) out += rows_text(audit);
  return out;
}

std::string audit_markdown(const Audit& audit) {
  std::string out = fmt::format("# assay audit: {}\n\n{} specs, {} rows.\n\n```\n{}{}```\n", markdown_code(audit.log.file), audit.specs.size(),
                                audit.rows, counts_text(audit, false), remarks_text(audit));
  std::vector<std::string> unsolved, fallen;
  for (const AuditSpec& spec : audit.specs) {
    if (spec.unsolved()) unsolved.push_back(markdown_code(unsolved_text(spec)));
    for (const Crown& crown : spec.crowns)
      if (crown.verdict != CrownVerdict::stands && !spec.unsolved()) fallen.push_back(markdown_code(crown_text(spec, crown)));
  }
  out += markdown_list("Specs that no variant solves (all their crowns fall):", unsolved);
  out += markdown_list("Crowns that fall elsewhere:", fallen);
  const Table ranking = ranking_table(audit);
  return out + fmt::format("\n## {}\n\n{}", ranking.title, markdown_table(ranking));
}

}  // namespace assay
