// What one probe run has to say, as every report format shows it.
#pragma once
#include <string>
#include <vector>

#include "base/stages.h"
#include "probe/plan.h"
#include "probe/pricing.h"

namespace assay {

struct SweepReport {
  std::string device, device_text, method, store_file;
  std::vector<RankedSpec> specs;
  std::vector<SkipGroup> skips;
  std::vector<WorkloadTable> workloads;
  double read_gbps = 0, copy_gbps = 0, dispatch_us = 0;  // ceilings
  int64_t cases_measured = 0, cases_from_store = 0, cases_planned = 0;
  double elapsed_s = 0;
  StageSeconds stages{};  // of it
  bool interrupted = false;
};

/// What the sources of these workloads saw for the spec, and that it is one of theirs.
void add_observations(RankedSpec& spec, const std::vector<Workload>& workloads);

}  // namespace assay
