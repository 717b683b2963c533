// Comparison of two sweeps.
#include "report/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "base/joined.h"
#include "base/terminal.h"
#include "probe/ranking.h"
#include "report/rows.h"

namespace assay {
namespace {

using CaseKey = std::tuple<std::string, std::string, std::string, std::string>;  // maths, variant, device, mode

CaseKey case_key(const CaseRecord& record) {
  return {record.math_line.empty() ? record.spec_line : record.math_line, record.variant, record.device, record.mode};
}

/// A store keeps a case once per build of its kernel: the newest speaks for it.
std::map<CaseKey, const CaseRecord*> newest_of_each(const std::vector<CaseRecord>& records) {
  std::map<CaseKey, const CaseRecord*> newest;
  for (const CaseRecord& record : records) {
    const CaseRecord*& place = newest[case_key(record)];
    if (!place || record.measured_at >= place->measured_at) place = &record;
  }
  return newest;
}

std::string case_name(const CaseRecord& record) { return record.spec_line + " @ " + record.variant; }

bool abandoned(const CaseRecord& record) { return record.has_tag(kAbandonedTag); }

/// A difference must also be one against the kernel that only read the same bytes in the same rounds: memory was seen
/// to change its rate twofold between two sweeps. And what was let go after a few launches says too little.
bool difference_stands(const CaseRecord& before, const CaseRecord& after, const std::vector<double>& old_us,
                       std::vector<double> new_us, Verdict verdict, double threshold) {
  if (abandoned(before) || abandoned(after)) return false;
  if (!(before.reachable_us > 0 && after.reachable_us > 0)) return true;
  for (double& us : new_us) us *= before.reachable_us / after.reachable_us;
  return compare_times(old_us, new_us, threshold).verdict == verdict;
}

CompareRow compare_pair(const CaseRecord& before, const CaseRecord& after, double threshold) {
  CompareRow row;
  row.spec_line = after.spec_line;
  row.variant = after.variant;
  row.device = after.device;
  row.mode = after.mode;
  row.before_outcome = before.outcome;
  row.after_outcome = after.outcome;
  row.after_detail = after.detail;
  row.environment_changed = before.environment != after.environment;
  // Rounds among contenders and samples taken alone are not alike: use the rounds only where both sides have them.
  const bool rounds = !before.head_to_head_us.empty() && !after.head_to_head_us.empty();
  const std::vector<double> old_us = ranking_samples(before, rounds).device_us;
  const std::vector<double> new_us = ranking_samples(after, rounds).device_us;
  row.before = summarize(old_us);
  row.after = summarize(new_us);
  if (row.both_pass() && !old_us.empty() && !new_us.empty()) row.comparison = compare_times(old_us, new_us, threshold);
  Verdict& verdict = row.comparison.verdict;
  if ((verdict == Verdict::slower || verdict == Verdict::faster) &&
      !difference_stands(before, after, old_us, new_us, verdict, threshold))
    verdict = Verdict::unsure;
  const bool one_measurement = old_us.size() > 1 && old_us == new_us;
  if (row.both_pass() && one_measurement)
    row.comparison = {Verdict::same, 1, 1, 1, 1};  // no second median that could differ
  row.control = row.both_pass() && row.comparison.ratio > 0 && !one_measurement && !before.key.empty() &&
                before.key == after.key && !abandoned(before) && !abandoned(after);
  return row;
}

/// Whether the row differs by more than one that did the same work beside it and whose code is the same.
bool exceeds(const CompareRow& row, const CompareRow& control, double threshold) {
  return row.comparison.verdict == Verdict::slower
             ? row.comparison.ratio_low > control.comparison.ratio * (1 + threshold)
             : row.comparison.ratio_high < control.comparison.ratio * (1 - threshold);
}

/// What moves kernels that nobody touched moves the others as well: caches, clocks and neighbours were seen to shift
/// all cases of small shapes by a fifth between two sweeps, and the reading kernel by less.
void hold_against_controls(CompareReport& report, const std::vector<CaseKey>& keys) {
  std::map<CaseKey, std::vector<size_t>> controls;  // by spec, device and mode
  const auto spec_of = [&](size_t i) {
    CaseKey key = keys[i];
    std::get<1>(key).clear();
    return key;
  };
  for (size_t i = 0; i < report.rows.size(); ++i)
    if (report.rows[i].control) controls[spec_of(i)].push_back(i);
  for (size_t i = 0; i < report.rows.size(); ++i) {
    Verdict& verdict = report.rows[i].comparison.verdict;
    if (verdict != Verdict::slower && verdict != Verdict::faster) continue;
    const std::vector<size_t>& others = controls[spec_of(i)];
    if (std::any_of(others.begin(), others.end(), [&](size_t other) {
          return other != i && !exceeds(report.rows[i], report.rows[other], report.threshold);
        }))
      verdict = Verdict::unsure;
  }
}

/// "B/A of the 265 cases that are the same build in both: 0.918 in the median, 0.811 to 1.179 for nine of ten; …", or
/// "".
std::string controls_line(const CompareReport& report) {
  const std::vector<double> ratios = report.control_ratios();
  if (ratios.empty()) return "";
  return fmt::format(
      "B/A of the {} cases that are the same build in both: {:.3f} in the median, {:.3f} to {:.3f} for nine of ten; a "
      "difference must exceed its spec's.\n",
      ratios.size(), percentile(ratios, 50), percentile(ratios, 5), percentile(ratios, 95));
}

Colour word_colour(const CompareRow& row) {
  if (row.regressed()) return Colour::red;
  const std::string word = row.word();
  return word == "FASTER" || word == "FIXED" ? Colour::green : word == "SAME" ? Colour::dim : Colour::yellow;
}

void add_names(std::string& out, const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out += fmt::format("\n{}\n", title);
  for (const std::string& name : names) out += " - " + one_line(name) + "\n";
}

}  // namespace

std::string regression_line(const CompareRow& row) {
  const std::string head = fmt::format("{}: {} @ {}", row.word(), one_line(row.spec_line), row.variant);
  if (!row.both_pass())
    return fmt::format("{}: {} -> {}{}", head, outcome_name(row.before_outcome), outcome_name(row.after_outcome),
                       row.after_detail.empty() ? "" : ": " + one_line(row.after_detail));
  return fmt::format("{}: {:.2f} -> {:.2f} us, x{:.3f} [{:.3f}, {:.3f}], p={:.1e}", head, row.before.median,
                     row.after.median, row.comparison.ratio, row.comparison.ratio_low, row.comparison.ratio_high,
                     row.comparison.p_value);
}

std::string counts_line(const CompareReport& report) {
  std::vector<std::string> words = {"SAME",  "FASTER",  "SLOWER", "UNSURE", "BROKEN",
                                    "FIXED", "FAILING", "NOISY",  "ABSENT"};
  std::vector<std::string> fields;
  for (const std::string& word : words) {
    const auto count = std::count_if(report.rows.begin(), report.rows.end(),
                                     [&](const CompareRow& row) { return row.word() == word; });
    if (count > 0 || fields.size() < 4) fields.push_back(fmt::format("{} {}", word, count));
  }
  return fmt::format("Compared {} cases (threshold {:.1f}%): {} | only in A {} | only in B {}\n", report.rows.size(),
                     100 * report.threshold, joined(fields, ", "), report.only_before.size(), report.only_after.size());
}

bool CompareRow::regressed() const {
  if (both_pass()) return comparison.verdict == Verdict::slower;
  return before_outcome == Outcome::pass;
}

std::string CompareRow::word() const {
  if (both_pass()) return std::string(verdict_name(comparison.verdict));
  if (before_outcome == Outcome::pass) return "BROKEN";
  if (after_outcome == Outcome::pass) return "FIXED";
  if (after_outcome == Outcome::noisy) return "NOISY";
  return is_failure(after_outcome) ? "FAILING" : "ABSENT";
}

std::vector<double> CompareReport::control_ratios() const {
  std::vector<double> ratios;
  for (const CompareRow& row : rows)
    if (row.control) ratios.push_back(row.comparison.ratio);
  return ratios;
}

bool CompareReport::regressed() const {
  return std::any_of(rows.begin(), rows.end(), [](const CompareRow& row) { return row.regressed(); });
}

CompareReport compare_records(const std::vector<CaseRecord>& before, const std::vector<CaseRecord>& after,
                              double threshold) {
  CompareReport report;
  report.threshold = threshold;
  const auto old_cases = newest_of_each(before), new_cases = newest_of_each(after);
  std::vector<CaseKey> keys;  // of the rows
  for (const CaseRecord& record : before) {
    const CaseKey key = case_key(record);
    if (old_cases.at(key) != &record) continue;
    const auto found = new_cases.find(key);
    if (found == new_cases.end())
      report.only_before.push_back(case_name(record));
    else {
      report.rows.push_back(compare_pair(record, *found->second, threshold));
      keys.push_back(key);
    }
  }
  hold_against_controls(report, keys);
  for (const CaseRecord& record : after)
    if (new_cases.at(case_key(record)) == &record && !old_cases.count(case_key(record)))
      report.only_after.push_back(case_name(record));
  return report;
}

Table compare_table(const CompareReport& report) {
  using Format = Column::Format;
  Table table;
  table.columns = {{"spec_line", "spec line", Format::text, 0, 0},
                   {"spec", "spec", Format::text, 9, 18},
                   {"variant", "variant", Format::text, 8, 14},
                   {"device", "device", Format::text, 0, 0},
                   {"mode", "mode", Format::text, 0, 0},
                   {"verdict", "verdict", Format::text, 10, 0},
                   {"before_us", "A us", Format::fixed2, 5, 0},
                   {"after_us", "B us", Format::fixed2, 5, 0},
                   {"ratio", "B/A", Format::fixed3, 7, 0},
                   {"ratio_low", "low", Format::fixed3, 3, 0},
                   {"ratio_high", "high", Format::fixed3, 3, 0},
                   {"p", "p", Format::scientific, 2, 0},
                   {"before_outcome", "before", Format::text, 0, 0},
                   {"after_outcome", "after", Format::text, 0, 0}};
  for (const CompareRow& row : report.rows) {
    const auto tested = [&](double value) {
      return row.both_pass() && row.comparison.ratio > 0 ? Cell(value) : Cell();
    };
    const auto time = [](const Summary& summary, Outcome outcome) {
      return summary.count > 0 && outcome == Outcome::pass ? Cell(summary.median) : Cell();
    };
    table.rows.push_back({row.spec_line, short_spec(row.spec_line), row.variant, row.device, row.mode, row.word(),
                          time(row.before, row.before_outcome), time(row.after, row.after_outcome),
                          tested(row.comparison.ratio), tested(row.comparison.ratio_low),
                          tested(row.comparison.ratio_high), tested(row.comparison.p_value),
                          std::string(outcome_name(row.before_outcome)), std::string(outcome_name(row.after_outcome))});
  }
  return table;
}

std::string compare_text(const CompareReport& report, const ReportOptions& options) {
  std::string out;
  if (!report.rows.empty()) out += render_table(compare_table(report), options.width, options.colour) + "\n";
  out += counts_line(report);
  const auto changed = std::count_if(report.rows.begin(), report.rows.end(),
                                     [](const CompareRow& row) { return row.environment_changed; });
  if (changed > 0)
    out += fmt::format("{} of {} pairs come from different environments (machine, compiler or commit).\n", changed,
                       report.rows.size());
  out += controls_line(report);
  if (options.verbose) {
    add_names(out, "Only in A:", report.only_before);
    add_names(out, "Only in B:", report.only_after);
  }
  if (report.regressed()) out += "\n" + paint("Regressions:", Colour::bold, options.colour) + "\n";
  for (const CompareRow& row : report.rows)
    if (row.regressed()) out += " - " + paint(regression_line(row), word_colour(row), options.colour) + "\n";
  return out;
}

}  // namespace assay
