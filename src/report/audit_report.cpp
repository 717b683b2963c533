// The audit's text and its tables.
#include "report/audit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/joined.h"
#include "base/terminal.h"
#include "report/markdown.h"
#include "report/rows.h"

namespace assay {
namespace {

using Format = Column::Format;

Cell known(double value) { return value > 0 ? Cell(value) : Cell(); }
Cell milliseconds(double us) { return std::isnan(us) ? Cell() : Cell(us / 1e3); }
Cell error_cell(double error) {
  if (std::isnan(error)) return std::string("nan");
  return error < 0 ? Cell() : Cell(error);
}
std::string time_text(double us) { return std::isnan(us) ? "-" : fmt::format("{:.3f} ms", us / 1e3); }

/// "best-gpu best-cpu" of "[best-gpu] [best-cpu]".
std::string tags_text(const ProbeRow& row) {
  std::string text(row.tags);
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == '[' || c == ']'; }), text.end());
  return text;
}

/// "family/name (int8_activation)" where a class of its own judged it.
std::string shown_variant(const AuditRow& row) {
  return row.accuracy > 0 ? fmt::format("{} ({})", row.row.variant, row.row.accuracy) : std::string(row.row.variant);
}

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
    if (row.row.max_rel >= 0) least = std::min(least, row.row.max_rel), most = std::max(most, row.row.max_rel);
  const std::string range = std::isinf(least) ? "" : fmt::format(", maxRel {:.4e} to {:.4e}", least, most);
  const size_t wrong = spec.count(RowVerdict::wrong);
  return fmt::format("{} (line {}): {} of {} rows wrong{}", shown_spec(spec), spec.line, wrong,
                     wrong + spec.count(RowVerdict::failed), range);
}

std::string crown_text(const AuditSpec& spec, const Crown& crown, const AuditOptions& options) {
  const AuditRow& row = spec.rows[crown.row];
  const int best = crown.of_host ? spec.best_host : spec.best_device;
  const auto time = [&](const ProbeRow& r) { return time_text(crown.of_host ? r.host_us : r.device_us); };
  std::string why = judge_row(row.row, options.max_rel).why;
  if (row.impossible) why += (why.empty() ? "" : "; ") + std::string("impossible time");
  std::string text =
      fmt::format("[{}] {} {} at {} (line {}): {}", crown.tag, shown_variant(row), time(row.row), shown_spec(spec),
                  row.row.line, crown.verdict == CrownVerdict::slower ? "another right row is faster" : why);
  if (best < 0) return text + "; nothing right to crown";
  const AuditRow& heir = spec.rows[size_t(best)];
  return text + fmt::format("; belongs to {} {}", shown_variant(heir), time(heir.row));
}

void add_list(std::string& out, const std::string& title, const std::vector<std::string>& lines, bool colour) {
  if (lines.empty()) return;
  out += "\n" + paint(title, Colour::bold, colour) + "\n";
  for (const std::string& line : lines) out += " - " + one_line(line) + "\n";
}

std::string yardstick_text(const Audit& audit) {
  if (!(audit.best_gbps > 0)) return "no right row has a bandwidth to compare with";
  const AuditSpec& spec = audit.specs[audit.best_gbps_spec];
  return fmt::format("above {:.1f} GB/s, the best of a right row: {} at {}", audit.best_gbps,
                     shown_variant(spec.rows[audit.best_gbps_row]), shown_spec(spec));
}

/// "12 rows judged by their class's own bound, not by maxRel: int8_activation 12 (at most 0.87 of it)"
std::string own_bounds_text(const Audit& audit) {
  if (audit.own_bound == 0) return "";
  std::array<size_t, kAccuracyClasses.size()> rows{};
  std::array<double, kAccuracyClasses.size()> most{};
  for (const AuditSpec& spec : audit.specs)
    for (const AuditRow& row : spec.rows) {
      rows[row.accuracy] += row.row.times;
      if (row.row.bound_share >= 0) most[row.accuracy] = std::max(most[row.accuracy], row.row.bound_share);
    }
  std::vector<std::string> classes;
  for (size_t i = 1; i < rows.size(); ++i)
    if (rows[i] > 0)
      classes.push_back(fmt::format("{} {} (at most {:g} of it)", kAccuracyClasses[i], rows[i], most[i]));
  return fmt::format("  {} rows judged by their class's own bound, not by maxRel: {}\n", audit.own_bound,
                     joined(classes, ", "));
}

/// What needs no verdict: host time, tags, what the log claims of itself.
std::string remarks_text(const Audit& audit) {
  std::string out = own_bounds_text(audit);
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
  // In the older form, cases that gave no row are results, too.
  const size_t claimed = size_t(std::max<int64_t>(audit.log.claimed_results, 0));
  if (audit.log.claimed_results >= 0 && claimed != audit.rows && claimed != audit.rows + audit.log.failed_cases())
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

size_t row_count(const AuditSpec& spec) {
  size_t count = 0;
  for (const AuditRow& row : spec.rows) count += row.row.times;
  return count;
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
    table.rows.push_back({shown_spec(spec), crowned ? Cell(shown_variant(*crowned)) : Cell(),
                          crowned ? milliseconds(crowned->row.device_us) : Cell(),
                          crowned ? Cell(std::string(crown_verdict_name(crown->verdict))) : Cell(),
                          std::string(best                                ? shown_variant(*best)
                                      : spec.count(RowVerdict::right) > 0 ? "(none ranks)"
                                                                          : "(none right)"),
                          best ? milliseconds(best->row.device_us) : Cell(), best ? known(best->gbps) : Cell(),
                          fmt::format("{}/{}", spec.count(RowVerdict::right), row_count(spec)),
                          host ? Cell(shown_variant(*host)) : Cell(), host ? milliseconds(host->row.host_us) : Cell()});
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
      const std::string why = judge_row(row->row, audit.options.max_rel).why;
      out += fmt::format("  {:>3} {}{}{}: device {}, host {}, {}{}{}\n", place, shown_variant(*row),
                         row->row.tags.empty() ? "" : " ", row->row.tags, time_text(row->row.device_us),
                         time_text(row->row.host_us), verdict_text(*row), why.empty() ? "" : " (" + why + ")",
                         row->row.times > 1 ? fmt::format(", {} times", row->row.times) : "");
    }
  }
  return out;
}

}  // namespace

std::string audit_counts_text(const AuditCounts& counts, const AuditOptions& options, const std::string& yardstick,
                              bool colour) {
  std::string out;
  const auto line = [&](const char* name, size_t count, size_t of, const std::string& note) {
    const std::string share = fmt::format("{} of {}", count, of);
    out += fmt::format("  {:<30}{}", name,
                       paint(fmt::format("{:>12}", share), count > 0 ? Colour::red : Colour::green, colour));
    out += (note.empty() ? "" : "   " + note) + "\n";
  };
  line("wrong rows", counts.wrong, counts.rows, fmt::format("maxRel above {:g}", options.max_rel));
  line("crowns on wrong rows", counts.crowns_wrong, counts.crowns, "");
  line("specs that no variant solves", counts.unsolved, counts.spec_count,
       counts.unsolved > 0 ? "suspect the reference or the harness" : "");
  line("impossible times", counts.impossible, counts.rows, yardstick);
  if (counts.crowns_slower > 0) line("crowns with a faster right row", counts.crowns_slower, counts.crowns, "");
  if (counts.crowns_unchecked > 0) line("crowns on unchecked rows", counts.crowns_unchecked, counts.crowns, "");
  if (counts.unchecked > 0)
    line("unchecked rows", counts.unchecked, counts.rows, "without maxRel, or what stands in its place");
  if (counts.failed > 0) line("rows that never ran", counts.failed, counts.rows, "");
  if (counts.unsuccessful > 0) line("specs without a success", counts.unsuccessful, counts.spec_count, "says the log");
  if (counts.logs > 1) line("logs that mislead", counts.misleading, counts.logs, "");
  if (counts.nothing_checked > 0)
    line("logs that check nothing", counts.nothing_checked, counts.logs, "they prove nothing");
  return out;
}

Table audit_table() {
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
                   {"host_gap", "host gap", Format::whole, 0, 0},
                   {"class", "class", Format::text, 0, 0},
                   {"share_of_bound", "of bound", Format::fixed2, 0, 0},
                   {"times", "times", Format::whole, 0, 0},
                   {"log", "log", Format::whole, 0, 0}};
  return table;
}

void add_audit_rows(Table& table, const AuditSpec& spec, const AuditOptions& options, size_t log) {
  for (const AuditRow& row : spec.rows)
    table.rows.push_back({double(row.row.line),
                          spec.text,
                          std::string(row.row.variant),
                          tags_text(row.row),
                          milliseconds(row.row.device_us),
                          milliseconds(row.row.host_us),
                          milliseconds(row.submission_us()),
                          known(row.gbps),
                          error_cell(row.row.max_abs),
                          error_cell(row.row.max_rel),
                          std::string(row.row.outcome),
                          std::string(row_verdict_name(row.verdict)),
                          row.impossible ? 1.0 : 0.0,
                          judge_row(row.row, options.max_rel).why,
                          known(row.device_rank),
                          known(row.host_rank),
                          row.host_gap ? 1.0 : 0.0,
                          std::string(row.row.accuracy),
                          error_cell(row.row.bound_share),
                          double(row.row.times),
                          double(log)});
}

std::string audit_text(const Audit& audit, const ReportOptions& options) {
  std::string out = audit_counts_text(audit, audit.options, yardstick_text(audit), options.colour);
  out += remarks_text(audit);
  constexpr size_t kMostFallen = 1000;
  size_t fallen_count = 0;
  std::vector<std::string> unsolved, unsuccessful, fallen, unread;
  for (const AuditSpec& spec : audit.specs) {
    if (spec.unsolved()) unsolved.push_back(unsolved_text(spec));
    if (spec.unsuccessful) unsuccessful.push_back(fmt::format("{} (line {})", shown_spec(spec), spec.line));
    for (const Crown& crown : spec.crowns)
      if (crown.verdict != CrownVerdict::stands && !spec.unsolved() && ++fallen_count <= kMostFallen)
        fallen.push_back(crown_text(spec, crown, audit.options));
  }
  if (fallen_count > kMostFallen) fallen.push_back(fmt::format("and {} more", fallen_count - kMostFallen));
  for (const ProbeLogTrouble& trouble : audit.log.unread)
    unread.push_back(fmt::format("line {}: {}", trouble.line, trouble.why));
  constexpr size_t kShown = 20;
  if (unread.size() > kShown && !options.verbose) unread.resize(kShown);
  if (const size_t more = audit.unread - unread.size(); more > 0)
    unread.push_back(fmt::format("and {} more{}", more, options.verbose ? "" : " (--verbose lists them)"));
  add_list(out, "Specs that no variant solves (all their crowns fall):", unsolved, options.colour);
  add_list(out, "Specs without a successful variant, says the log:", unsuccessful, options.colour);
  add_list(out, "Crowns that fall elsewhere:", fallen, options.colour);
  add_list(out, fmt::format("Lines that no rule reads ({}):", audit.unread), unread, options.colour);
  out += "\n" + render_table(ranking_table(audit), options.width, options.colour);
  if (options.verbose) out += rows_text(audit);
  return out;
}

std::string audit_markdown(const Audit& audit) {
  std::string out = fmt::format("```\n{}{}```\n", audit_counts_text(audit, audit.options, yardstick_text(audit), false),
                                remarks_text(audit));
  std::vector<std::string> unsolved, fallen;
  for (const AuditSpec& spec : audit.specs) {
    if (spec.unsolved()) unsolved.push_back(markdown_code(unsolved_text(spec)));
    for (const Crown& crown : spec.crowns)
      if (crown.verdict != CrownVerdict::stands && !spec.unsolved())
        fallen.push_back(markdown_code(crown_text(spec, crown, audit.options)));
  }
  out += markdown_list("Specs that no variant solves (all their crowns fall):", unsolved);
  out += markdown_list("Crowns that fall elsewhere:", fallen);
  const Table ranking = ranking_table(audit);
  return out + fmt::format("\n{}\n\n{}", ranking.title, markdown_table(ranking));
}

}  // namespace assay
