// What a sweep has found, ranked and priced.
#include "probe/sweep_report.h"

#include <algorithm>

#include "probe/sweep.h"

namespace assay {

void add_observations(RankedSpec& ranked, const std::vector<Workload>& workloads) {
  for (const Workload& workload : workloads)
    for (const WorkloadEntry& entry : workload.entries) {
      if (entry.spec.math_line() != ranked.math_line) continue;
      ranked.in_workload = true;
      for (const SourceLine& source : entry.sources)
        for (const Observation& seen : source.observations)
          if (ranked.original_ms == 0) {
            ranked.original_ms = seen.avg_ms;
            ranked.original_device = seen.device;
          }
    }
}

SweepReport Sweep::report(const std::vector<Workload>& workloads) const {
  SweepReport report;
  report.device = device_.id;
  report.device_text = device_.name;
  report.method = std::string(mode_name(options_.mode));
  report.store_file = store_.file().string();
  report.skips = plan_.skips;
  report.cases_measured = int64_t(measured_);
  report.cases_from_store = int64_t(from_store_);
  report.cases_planned = plan_.cases();
  report.interrupted = interrupted();
  std::vector<std::string> baselines;
  for (const Variant* variant : variants_)
    if (variant->baseline) baselines.push_back(variant->id());

  for (const SpecState& state : specs_) {
    std::vector<CaseRecord> records;
    for (const Case& c : state.cases)
      if (c.record) records.push_back(*c.record);
    if (records.empty() && state.quarantine.empty() && !state.cases.empty()) continue;  // interrupted before it
    RankedSpec ranked = rank_spec(state.spec, std::move(records), baselines, options_.ranking);
    if (!state.quarantine.empty()) ranked.quarantine = state.quarantine;
    add_observations(ranked, workloads);
    report.specs.push_back(std::move(ranked));
  }
  if (const auto kept = store_.newest_ceiling(device_key())) {
    const Ceilings c = ceilings_from_json(kept->text);
    report.read_gbps = c.memory_gbps();
    report.copy_gbps = c.copy.value;
    report.dispatch_us = c.dispatch_us;
  }
  for (const Workload& workload : workloads)
    report.workloads.push_back(price_workload(workload, report.specs, report.read_gbps));
  return report;
}

}  // namespace assay
