// What the reports show, as tables and lists: cases, workloads, failures. Formats differ, rows do not.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "probe/sweep_report.h"
#include "report/table.h"

namespace assay {

/// "dev" and "host" where the device is a CPU, else the seeds' "gpu" and "cpu".
struct TimeNames {
  std::string_view device, host;
};
TimeNames time_names(std::string_view device);

/// The value of one field of a spec line, or "" (never throws).
std::string spec_field(const std::string& spec_line, std::string_view key);
/// "matmul M:1 N:9728 K:896 NT"; a line that is no spec (a family's name) as it is.
std::string short_spec(const std::string& spec_line);

/// [baseline] [best-dev] [best-host] [host-gap] as words without brackets, in the seeds' order.
std::vector<std::string> rank_tags(const RankedCase& ranked, const TimeNames& names);
/// Whether the case shares its tie set with another.
bool is_tie(const RankedCase& ranked, const RankedSpec& spec);

/// One row a case, every column that any format shows.
Table case_table(const SweepReport& report);
Table case_table(const SweepReport& report, const RankedSpec& spec);

/// What a workload costs per token with its best proved variants, and what could still be won.
Table workload_rows(const WorkloadTable& workload);
/// Whether ops that are no products are priced in it.
bool has_other_ops(const WorkloadTable& workload);

/// Skips and cases of one variant that did not pass, each "matmul skipped 8 (unsupported: why)" or "matmul crashed 1
/// (why at M:1 …)".
struct VariantFailures {
  std::string variant;
  std::vector<std::string> parts;
};
std::vector<VariantFailures> variant_failures(const SweepReport& report);
/// Of the cases alone whose outcome is wanted.
std::vector<VariantFailures> case_failures(const SweepReport& report, const std::function<bool(Outcome)>& wanted);
/// Likewise of cases that turned out unsupported when a library was asked: no failures.
std::vector<VariantFailures> unsupported_cases(const SweepReport& report);

/// Cases that Variant failures lists: neither passed nor merely unsupported.
bool is_no_pass(Outcome outcome);
/// What exit code 1 stands for. Noise, and what the device or a library does not have, are outcomes but no failures.
bool is_failure(Outcome outcome);

struct CaseCounts {
  int64_t cases = 0, passed = 0, failed = 0;
  int64_t noisy = 0, unsupported = 0, over_limit = 0;  // cases that neither passed nor failed
  int64_t disturbed = 0;                        // of those that passed: most launches, or launches that had to rank
  int64_t skipped = 0;                          // pairs of the plan, no cases
  size_t fewest_samples = 0, most_samples = 0;  // of a passing case
};
CaseCounts count_cases(const SweepReport& report);
/// "1 noisy", "2 unsupported", "1 device_limit", "11 skipped": those that there are.
std::vector<std::string> other_counts(const CaseCounts& counts);

}  // namespace assay
