// What a sweep has found, ranked and priced.
#include "probe/sweep_report.h"

#include <algorithm>

#include "measure/ranking_samples.h"
#include "probe/sweep.h"
#include "stats/summary.h"
#include "store/kept.h"

namespace assay {

/// Of the variants that are planned, as they are built where launches do not overlap.
double Sweep::decode_us(const SpecState& state) const {
  double best_us = 0;
  for (const Case& c : state.cases) {
    Variant alone = *c.planned.variant;
    std::erase(alone.compile_flags, kChainedFlag);
    const CaseKey key =
        case_key(state.spec, alone, cache_.key(alone, *c.planned.isa), device_, Mode::decode, options_.footprint);
    const std::optional<CaseRecord> record = store_.find(key.hash);
    if (!record || record->outcome != Outcome::pass) continue;
    const double us = summarize(finite_samples(record->device_us)).median;
    if (us > 0 && (best_us == 0 || us < best_us)) best_us = us;
  }
  return best_us;
}

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
  for (const SpecState& state : specs_)
    for (const Case& c : state.cases)  // each once: one of the store that is measured anew is measured
      if (c.record) ++(c.measured_now ? report.cases_measured : report.cases_from_store);
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
    if (options_.mode == Mode::chained) ranked.decode_us = decode_us(state);
    add_observations(ranked, workloads);
    report.specs.push_back(std::move(ranked));
  }
  if (const auto c = read_kept(store_, store_.newest_ceiling(device_key()), ceilings_from_json)) {
    report.read_gbps = c->memory_gbps();
    report.copy_gbps = c->copy.value;
    report.dispatch_us = c->dispatch_us;
  }
  for (const Workload& workload : workloads)
    report.workloads.push_back(price_workload(workload, report.specs, report.read_gbps));
  return report;
}

}  // namespace assay
