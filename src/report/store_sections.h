// A store as reports: one for each device and mode that it has results of, and how its specs fared over commits.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "measure/ceilings.h"
#include "probe/sweep_report.h"
#include "store/store.h"

namespace assay {

/// The fastest proved kernel of a spec, as one program (commit) on one device found it.
struct HistoryPoint {
  std::string math_line, device, mode, commit, variant;
  double median_us = 0;
  int64_t measured_at = 0;
};

/// All results of one device in one mode.
struct StoreSection {
  std::string source;       // the file
  std::string environment;  // "key: value" lines of its newest result; "" where the source has none
  std::string commit;       // of that
  SweepReport report;
  std::optional<Ceilings> ceilings;
  int64_t unreadable = 0;  // cases whose spec this program does not know
};

struct StoreSections {
  std::vector<StoreSection> sections;  // newest result first
  std::vector<HistoryPoint> history;   // oldest first
  std::vector<CaseRecord> records;     // the newest of each case
  std::vector<CaseRecord> frameworks;  // opbench's: a framework's time on an op, under the op's own name
};

/// `baselines`: ids of variants that others are shown against. Workloads of which nothing is measured are left out.
StoreSections sections_of_store(const Store& store, const std::vector<Workload>& workloads,
                                const std::vector<std::string>& baselines);
/// The same of a JSON report's records; it has no history.
StoreSections sections_of_records(const std::string& source, std::vector<CaseRecord> records,
                                  const std::vector<Workload>& workloads, const std::vector<std::string>& baselines);

/// The value of "key: value" in an environment's text, or "".
std::string environment_value(const std::string& text, std::string_view key);

}  // namespace assay
