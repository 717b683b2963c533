// A probe log judged anew: which rows are wrong, which crowns sit on them, which times cannot be, and what ranks
// instead.
#pragma once
#include <deque>
#include <string>
#include <vector>

#include "audit/probe_log.h"
#include "audit/row_judgement.h"
#include "stats/summary.h"

namespace assay {

struct AuditOptions {
  double max_rel = 1e-2;             // above it a row is wrong: a log has no sum of |a||b| to bound the error by
  std::string dtype = "f16";         // of specs that say none
  double host_gap_device_ms = 0.01;  // [host-gap]: device time within this of the crowned one …
  double host_gap_host_ms = 0.10;    // … and host time lower by at least this
};

struct AuditRow {
  ProbeRow row;
  double gbps = 0;                     // least bytes of the spec over device time; 0 where either is unknown
  int device_rank = 0, host_rank = 0;  // 1 is best, equal printed times share a rank; 0: not ranked
  RowVerdict verdict = RowVerdict::unchecked;
  uint8_t accuracy = 0;     // of kAccuracyClasses: above 0, the row was judged by that class's bound
  bool impossible = false;  // faster than the best bandwidth of a right row, rounding granted; or the log says so
  bool host_gap = false;    // by the rule, whatever the log's tag says
  /// Host time beyond the device's; NaN where the log lacks one, below 0 where the two cannot be of the same launches.
  double submission_us() const { return row.host_us - row.device_average_us; }
  bool ranks() const {
    return verdict == RowVerdict::right && !impossible && (row.outcome.empty() || row.outcome == "pass");
  }
};

/// stands: on a right row that no other of its class beats. slower: on a right row that one of its class beats by more
/// than rounding.
enum class CrownVerdict { stands, slower, wrong_row, unchecked_row };
std::string_view crown_verdict_name(CrownVerdict verdict);

struct Crown {
  std::string tag;  // "best-gpu", or "best_avg_gpu" of a line of its own
  bool of_host = false;
  size_t row = 0;
  CrownVerdict verdict = CrownVerdict::stands;
};

struct AuditSpec {
  uint64_t line = 0;
  std::string text;
  std::string completed;      // the fields that the log lacks, "dtA=f16 …"; "?" where no rule completes them
  std::string full_text;      // text with what completes it
  int64_t bytes = 0;          // least bytes moved; 0 unknown
  std::deque<AuditRow> rows;  // in the log's order
  std::vector<Crown> crowns;
  bool unsuccessful = false;               // no variant succeeded, says the log
  int best_device = -1, best_host = -1;    // rows; -1: none is right
  size_t count(RowVerdict verdict) const;  // a row counts as often as it stands there
  /// Rows were judged and none is right: all that were may well be judged by a wrong reference.
  bool unsolved() const { return !rows.empty() && count(RowVerdict::right) + count(RowVerdict::unchecked) == 0; }
};

/// What there is of each kind in a log, or in all logs of a file.
struct AuditCounts {
  size_t logs = 0, spec_count = 0, rows = 0, wrong = 0, unchecked = 0, failed = 0, impossible = 0;
  size_t own_bound = 0;  // rows judged by their class's bound
  size_t crowns = 0, crowns_wrong = 0, crowns_slower = 0, crowns_unchecked = 0, unsolved = 0, unsuccessful = 0;
  size_t host_gap_tags = 0, host_gap_by_rule = 0, host_gap_agree = 0, host_below_device = 0, unread = 0;
  size_t misleading = 0, nothing_checked = 0;  // logs

  void add(const AuditCounts& other);
};

struct Audit : AuditCounts {
  ProbeLog log;  // its rows have moved to `specs`
  AuditOptions options;
  std::vector<AuditSpec> specs;
  double best_gbps = 0;  // of a right row; 0: none
  size_t best_gbps_spec = 0, best_gbps_row = 0;
  Summary submission_us;  // over all rows where it is known and not below 0

  bool misleads() const { return crowns_wrong > 0; }  // the caller exits 1
  /// Not one row could be called right or wrong: the log proves nothing.
  bool checks_nothing() const { return unchecked + failed == rows; }
};

Audit audit_log(ProbeLog log, const AuditOptions& options = {});

}  // namespace assay
