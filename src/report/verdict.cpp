// The verdict on one screen, as a function of the report's rows.
#include "report/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/joined.h"
#include "base/terminal.h"
#include "report/rows.h"

namespace assay {
namespace {

using Format = Column::Format;

// From so many columns on, names stay long enough to be told apart, at the cost of other columns.
constexpr size_t kWide = 76;

/// How much of each part is shown.
struct Shares {
  size_t workloads = 0, rows = 20, problems = 20;
};

struct Line {
  std::string text;
  Colour colour = Colour::dim;
};

/// A row of a table of winners.
struct HotRow {
  std::string spec, winner, accuracy;
  double us = 0, percent_of_floor = 0, ms = 0;
};

std::string winner_text(const std::string& variant, bool prepared) {
  return variant.empty() ? "(none proved)" : variant + (prepared ? " (prepared)" : "");
}

/// "int8" of int8_activation: the column's title says what it is of.
std::string class_text(const std::string& variant, Accuracy accuracy) {
  const std::string name(accuracy_name(accuracy));
  return variant.empty() ? "" : name.substr(0, name.find('_'));
}

bool is_wide(const ScreenSize& screen) { return screen.width >= kWide; }

/// "matmul N:9728 K:896 NT" of one row, or n and k alone ("9728x896") where there is little room.
std::string spec_text(const std::string& spec_line, const ScreenSize& screen) {
  const std::string n = spec_field(spec_line, "n"), k = spec_field(spec_line, "k");
  if (!is_wide(screen) && !n.empty() && n != "?" && !k.empty()) return n + "x" + k;
  std::string text = short_spec(spec_line);
  if (const size_t row = text.find(" M:1 "); row != std::string::npos) text.erase(row, 4);
  return text;
}

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

std::vector<HotRow> rows_of(const WorkloadTable& workload, const ScreenSize& screen) {
  std::vector<HotRow> rows;
  for (const WorkloadRow& row : workload.rows)
    if (!row.best_variant.empty())
      rows.push_back({spec_text(row.spec_line, screen), winner_text(row.best_variant, row.best_is_prepared),
                      class_text(row.best_variant, row.accuracy), row.best_us, percent(row.floor_us, row.best_us),
                      row.total_ms});
  std::stable_sort(rows.begin(), rows.end(), [](const HotRow& a, const HotRow& b) { return a.ms > b.ms; });
  return rows;
}

/// Specs that no workload has.
std::vector<HotRow> rows_of_others(const SweepReport& report, const ScreenSize& screen) {
  std::vector<HotRow> rows;
  for (const RankedSpec& spec : report.specs) {
    if (spec.in_workload) continue;
    HotRow row;
    row.spec = fmt::format("{} {}", spec_text(spec.spec_line, screen), spec_field(spec.spec_line, "dtB"));
    row.winner = winner_text("", false);
    if (spec.best >= 0) {
      const RankedCase& best = spec.cases[size_t(spec.best)];
      row.winner = winner_text(best.record.variant, best.record.prepared_bytes > 0);
      row.accuracy = class_text(best.record.variant, best.record.accuracy);
      row.us = best.device.median;
      row.percent_of_floor = percent(spec.floor_us, row.us);
    }
    rows.push_back(std::move(row));
  }
  std::stable_sort(rows.begin(), rows.end(), [](const HotRow& a, const HotRow& b) { return a.us > b.us; });
  return rows;
}

Cell known(double value) { return value > 0 ? Cell(value) : Cell(); }

std::string table_text(const std::vector<HotRow>& rows, size_t shown, bool per_token, const ScreenSize& screen,
                       bool colour) {
  if (rows.empty()) return "";
  const bool classes = std::any_of(rows.begin(), rows.end(),
                                   [](const HotRow& row) { return !row.accuracy.empty() && row.accuracy != "exact"; });
  const bool wide = is_wide(screen);
  Table table;  // an importance of 0 hides a column
  table.columns = {
      {"spec", "spec", Format::text, 10, wide ? 24u : 10u},  {"winner", "winner", Format::text, 9, wide ? 24u : 8u},
      {"class", "class", Format::text, classes ? 5 : 0, 0},  {"us", "us", Format::fixed2, 8, 0},
      {"percent_of_floor", "% floor", Format::fixed1, 7, 0}, {"ms", "ms/token", Format::fixed3, per_token ? 3 : 0, 0}};
  const auto add = [&](const HotRow& row) {
    table.rows.push_back(
        {row.spec, row.winner, row.accuracy, known(row.us), known(row.percent_of_floor), known(row.ms)});
  };
  for (size_t i = 0; i < std::min(shown, rows.size()); ++i) add(rows[i]);
  if (shown < rows.size()) {
    HotRow rest;
    rest.spec = fmt::format("{} more", rows.size() - shown);
    rest.winner = "--full";
    for (size_t i = shown; i < rows.size(); ++i) rest.ms += rows[i].ms;
    add(rest);
  }
  return render_table(table, screen.width, colour);
}

std::string workload_heading(const WorkloadTable& workload) {
  double floor_ms = 0;
  for (const WorkloadRow& row : workload.rows)
    if (!row.best_variant.empty()) floor_ms += row.calls_per_token * row.floor_us / 1e3;
  std::string text = fmt::format("{}: {:.3f} ms per token, floor {:.3f}, still to win {:.3f}", one_line(workload.name),
                                 workload.total_ms, floor_ms, workload.to_win_ms);
  const bool rounded = std::any_of(workload.rows.begin(), workload.rows.end(),
                                   [](const WorkloadRow& row) { return row.accuracy != Accuracy::exact; });
  if (has_other_ops(workload))
    text += fmt::format("; products {:.3f}, other ops {:.3f}", workload.products_ms,
                        workload.total_ms - workload.products_ms);
  if (rounded && workload.exact_ms > 0) text += fmt::format("; exact variants alone {:.3f}", workload.exact_ms);
  return text;
}

std::string counts_line(const SweepReport& report, const CaseCounts& counts) {
  std::vector<std::string> parts = {fmt::format("{} cases: {} passed", counts.cases, counts.passed),
                                    fmt::format("{} failed", counts.failed), fmt::format("{} noisy", counts.noisy),
                                    fmt::format("{} disturbed", counts.disturbed)};
  if (counts.unsupported > 0) parts.push_back(fmt::format("{} unsupported", counts.unsupported));
  if (counts.over_limit > 0) parts.push_back(fmt::format("{} device_limit", counts.over_limit));
  const int64_t not_reached = report.cases_planned - counts.cases;
  if (not_reached > 0) parts.push_back(fmt::format("{} not measured", not_reached));
  return fmt::format("{}{}; {:.1f} s", report.interrupted ? "Interrupted. " : "", joined(parts, ", "),
                     report.elapsed_s);
}

std::string device_line(const SweepReport& report) {
  std::vector<std::string> parts;
  for (const std::string* text : {&report.device, &report.device_text, &report.method})
    if (!text->empty()) parts.push_back(one_line(*text));
  if (report.read_gbps > 0) parts.push_back(fmt::format("read {:.1f} GB/s", report.read_gbps));
  return joined(parts, " | ");
}

/// "gemv/r2, gemv/r4 x3": variants with how many of their cases are noisy.
std::string noisy_variants(const SweepReport& report) {
  std::map<std::string, int> counts;
  for (const RankedSpec& spec : report.specs)
    for (const RankedCase& ranked : spec.cases)
      if (ranked.record.outcome == Outcome::noisy) ++counts[ranked.record.variant];
  std::vector<std::string> parts;
  for (const auto& [variant, count] : counts)
    parts.push_back(count == 1 ? variant : fmt::format("{} x{}", variant, count));
  return joined(parts, ", ");
}

/// A line each, the worst first: specs that are not trusted, cases that failed, what has no proved variant, noise.
std::vector<Line> problems(const SweepReport& report) {
  std::vector<Line> lines;
  const auto add = [&](Colour colour, const std::string& text) { lines.push_back({one_line(text), colour}); };
  for (const RankedSpec& spec : report.specs)
    if (!spec.quarantine.empty())
      add(Colour::red, fmt::format("quarantined: {}: {}", short_spec(spec.spec_line), spec.quarantine));
  std::vector<std::string> apart;
  for (const RankedSpec& spec : report.specs)
    if (!spec.apart.empty()) apart.push_back(short_spec(spec.spec_line));
  if (!apart.empty()) add(Colour::yellow, "measured apart (--fresh: at once): " + joined(apart, ", "));
  const auto of_cases = [&](Colour colour, const std::vector<VariantFailures>& failures) {
    for (const VariantFailures& failure : failures)
      for (const std::string& part : failure.parts) add(colour, failure.variant + ": " + part);
  };
  of_cases(Colour::red, case_failures(report, is_failure));
  std::set<std::string> measured;
  for (const RankedSpec& spec : report.specs) measured.insert(spec.spec_line);
  for (const WorkloadTable& workload : report.workloads) {
    int64_t not_measured = 0;
    for (const std::string& missing : workload.missing) {
      if (measured.count(missing))
        add(Colour::yellow, fmt::format("no proved variant, so in no sum: {}", short_spec(missing)));
      else
        ++not_measured;
    }
    if (not_measured > 0)
      add(Colour::yellow, fmt::format("not measured, so in no sum: {} of {} specs of {}", not_measured,
                                      workload.rows.size(), workload.name));
    if (!workload.quarantined.empty())
      add(Colour::yellow,
          fmt::format("{} lines of {} that no rule completes: --full", workload.quarantined.size(), workload.name));
  }
  of_cases(Colour::yellow, case_failures(report, [](Outcome outcome) { return outcome == Outcome::device_limit; }));
  if (const std::string noisy = noisy_variants(report); !noisy.empty()) add(Colour::yellow, "noisy: " + noisy);
  return lines;
}

std::string where_to_look(const SweepReport& report, const CaseCounts& counts) {
  std::string text = "Every variant: --full.";
  if (counts.skipped > 0) text += fmt::format(" {} pairs left out: --skips.", counts.skipped);
  if (counts.noisy > 0) text += " Noisy ones are measured again by the next run.";
  if (!report.store_file.empty()) text += " Results: " + one_line(report.store_file);
  return text;
}

std::string render(const SweepReport& report, const Shares& shares, const ScreenSize& screen, bool colour) {
  const CaseCounts counts = count_cases(report);
  std::string out;
  const auto add = [&](const std::string& text, size_t indent, Colour with) {
    std::string lines = wrap(text, screen.width, indent);
    for (size_t begin = 0; begin <= lines.size();) {
      const size_t end = std::min(lines.find('\n', begin), lines.size());
      out += paint(lines.substr(begin, end - begin), with, colour) + "\n";
      begin = end + 1;
    }
  };
  add(device_line(report), 2, Colour::dim);
  add(counts_line(report, counts), 2, counts.failed > 0 ? Colour::red : Colour::bold);
  const size_t workloads = std::min(shares.workloads, report.workloads.size());
  for (size_t i = 0; i < workloads; ++i) {
    out += "\n";
    add(workload_heading(report.workloads[i]), 2, Colour::bold);
    out += table_text(rows_of(report.workloads[i], screen), shares.rows, true, screen, colour);
  }
  if (workloads < report.workloads.size())
    add(fmt::format("{} more workloads: --full", report.workloads.size() - workloads), 2, Colour::bold);
  if (const std::vector<HotRow> others = rows_of_others(report, screen); !others.empty()) {
    out += "\n";
    add(report.workloads.empty() ? "Specs" : "Specs of no workload", 2, Colour::bold);
    out += table_text(others, shares.rows, false, screen, colour);
  }
  const std::vector<Line> wrong = problems(report);
  if (!wrong.empty()) {
    out += "\n";
    add("Problems", 2, Colour::bold);
    for (size_t i = 0; i < std::min(shares.problems, wrong.size()); ++i)
      out += paint(cut_end("  " + wrong[i].text, screen.width), wrong[i].colour, colour) + "\n";
    if (shares.problems < wrong.size())
      add(fmt::format("  {} more: --full", wrong.size() - shares.problems), 4, Colour::dim);
  }
  out += "\n";
  add(where_to_look(report, counts), 2, Colour::dim);
  return out;
}

/// One step less of what takes most lines; false where nothing is left to give.
bool give_way(Shares& shares) {
  if (shares.rows > 3 && shares.rows >= shares.problems) return --shares.rows, true;
  if (shares.problems > 2) return --shares.problems, true;
  if (shares.rows > 1) return --shares.rows, true;
  if (shares.workloads > 1) return --shares.workloads, true;
  if (shares.problems > 0) return --shares.problems, true;
  return shares.rows > 0 && (--shares.rows, true);
}

}  // namespace

std::string verdict_report(const SweepReport& report, ScreenSize screen, bool colour) {
  const auto most = std::ptrdiff_t(std::max<size_t>(screen.height, 2)) - 1;
  Shares shares;
  shares.workloads = report.workloads.size();
  std::string text = render(report, shares, screen, colour);
  while (std::count(text.begin(), text.end(), '\n') > most && give_way(shares))
    text = render(report, shares, screen, colour);
  return text;
}

}  // namespace assay
