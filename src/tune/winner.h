// What is worth carrying away: of each spec the fastest proved kernel that is source of its own.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "probe/plan.h"
#include "probe/sweep_report.h"

namespace assay {

struct Winner {
  Spec spec;
  const Variant* variant = nullptr;
  const IsaLevel* isa = nullptr;
  CaseRecord record;  // as it was measured
  double median_us = 0, percent_of_floor = 0;
  std::vector<std::string> notes;  // what the ranking would say beside it, a sentence each
};

struct Winners {
  std::vector<Winner> all;
  std::vector<std::string> left_out;  // "SPEC: why", of specs that nothing can be exported for
};

/// Whether a variant is source that stands alone: no vendor's library, none linked, no pool of threads of its own.
bool is_portable(const Variant& variant);

/// In the order of the plan. Error where a spec has no results (ended by `how_to_measure`, a command), or where nothing
/// at all can be exported.
Winners choose_winners(const SweepReport& report, const Plan& plan, const std::string& how_to_measure);

}  // namespace assay
