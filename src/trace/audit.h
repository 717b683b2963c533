// A probe log judged anew: which rows are wrong, which crowns sit on them, which times cannot be, and what ranks
// instead.
#pragma once
#include <string>
#include <vector>

#include "stats/summary.h"
#include "trace/probe_log.h"

namespace assay {

struct AuditOptions {
  double max_rel = 1e-2;             // above it a row is wrong: a log has no sum of |a||b| to bound the error by
  std::string dtype = "f16";         // of specs that say none
  double host_gap_device_ms = 0.01;  // [host-gap]: device time within this of the crowned one …
  double host_gap_host_ms = 0.10;    // … and host time lower by at least this
};

/// failed: not measured, says the log. unchecked: measured, but the line has no maxRel.
enum class RowVerdict { right, wrong, unchecked, failed };
std::string_view row_verdict_name(RowVerdict verdict);

struct AuditRow {
  ProbeRow row;
  RowVerdict verdict = RowVerdict::unchecked;
  std::string why;          // where it is not right
  double gbps = 0;          // least bytes of the spec over device time; 0 where either is unknown
  bool impossible = false;  // faster than the best bandwidth of a right row, rounding granted; or the log says so
  bool host_gap = false;    // by the rule, whatever the log's tag says
  int device_rank = 0, host_rank = 0;  // 1 is best, equal printed times share a rank; 0: not ranked
  /// Host time beyond the device's; NaN where the log lacks one, below 0 where the two cannot be of the same launches.
  double submission_us() const { return row.host_us - row.device_average_us; }
  bool ranks() const {
    return verdict == RowVerdict::right && !impossible && (row.outcome.empty() || row.outcome == "pass");
  }
};

/// stands: on a right row that no other beats. slower: on a right row that another beats by more than rounding.
enum class CrownVerdict { stands, slower, wrong_row, unchecked_row };
std::string_view crown_verdict_name(CrownVerdict verdict);

struct Crown {
  std::string tag;  // "best-gpu"
  bool of_host = false;
  size_t row = 0;
  CrownVerdict verdict = CrownVerdict::stands;
};

struct AuditSpec {
  size_t line = 0;
  std::string text;
  std::string completed;       // the fields that the log lacks, "dtA=f16 …"; "?" where no rule completes them
  std::string full_text;       // text with what completes it
  int64_t bytes = 0;           // least bytes moved; 0 unknown
  std::vector<AuditRow> rows;  // in the log's order
  std::vector<Crown> crowns;
  int best_device = -1, best_host = -1;  // rows; -1: none is right
  size_t count(RowVerdict verdict) const;
  /// Rows were judged and none is right: all that were may well be judged by a wrong reference.
  bool unsolved() const { return !rows.empty() && count(RowVerdict::right) + count(RowVerdict::unchecked) == 0; }
};

struct Audit {
  ProbeLog log;
  AuditOptions options;
  std::vector<AuditSpec> specs;
  double best_gbps = 0;  // of a right row; 0: none
  size_t best_gbps_spec = 0, best_gbps_row = 0;
  size_t rows = 0, wrong = 0, unchecked = 0, failed = 0, impossible = 0;
  size_t crowns = 0, crowns_wrong = 0, crowns_slower = 0, unsolved = 0;
  size_t host_gap_tags = 0, host_gap_by_rule = 0, host_gap_agree = 0;
  Summary submission_us;  // over all rows where it is known and not below 0
  size_t host_below_device = 0;

  bool misleads() const { return crowns_wrong > 0; }  // the caller exits 1
};

Audit audit_log(ProbeLog log, const AuditOptions& options = {});

}  // namespace assay
