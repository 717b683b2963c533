// Two sets of records, before and after: which cases became faster, slower or broken, and how sure that is.
#pragma once
#include <string>
#include <vector>

#include "report/table.h"
#include "report/text.h"
#include "stats/comparison.h"
#include "store/record.h"

namespace assay {

/// One case that both sides have: the same maths, variant, device and mode. Times in µs.
struct CompareRow {
  std::string spec_line, variant, device, mode;
  Outcome before_outcome = Outcome::pass, after_outcome = Outcome::pass;
  std::string after_detail;
  Summary before, after;
  Comparison comparison;  // of two passing cases
  bool environment_changed = false;
  bool control =
      false;  // measured twice with one build, key and all: a difference is the machine's state, or the harness

  bool both_pass() const { return before_outcome == Outcome::pass && after_outcome == Outcome::pass; }
  /// SLOWER, or passed before and does not now.
  bool regressed() const;
  /// SAME, FASTER, SLOWER, UNSURE; where a side did not pass BROKEN, FIXED, FAILING, NOISY (measured, but too noisily
  /// to be ranked), or ABSENT (it cannot run here: is_failure() does not count it).
  std::string word() const;
};

struct CompareReport {
  std::vector<CompareRow> rows;                      // in the order of `before`
  std::vector<std::string> only_before, only_after;  // "spec line @ variant"
  double threshold = 0;
  std::vector<double> control_ratios() const;  // B/A of each control
  bool regressed() const;                      // the caller exits 1
};

/// Matches the newest record of each case; cases that one side lacks are listed, not errors. A case is SLOWER or FASTER
/// only if it is so by more than every control of its spec. The very samples of one measurement on both sides are SAME,
/// with the ratio 1 [1, 1].
CompareReport compare_records(const std::vector<CaseRecord>& before, const std::vector<CaseRecord>& after,
                              double threshold = 0.03);

Table compare_table(const CompareReport& report);

/// "Compared 4 cases (threshold 3.0%): SAME 1, …", a line.
std::string counts_line(const CompareReport& report);
/// "SLOWER: spec @ variant: 141.20 -> 160.00 us, x1.133 [1.101, 1.164], p=1.0e-09", or why it no longer passes.
std::string regression_line(const CompareRow& row);

/// The table, the counts, and every regression by name.
std::string compare_text(const CompareReport& report, const ReportOptions& options = {});

}  // namespace assay
