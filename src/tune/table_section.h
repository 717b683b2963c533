// A table's section for a device: what was tuned first, then what an earlier tuning of other models found, then
// defaults.
#pragma once
#include <string>
#include <vector>

#include "kernel/dispatch_table.h"
#include "tune/tuned_op.h"

namespace assay {

struct SectionRequest {
  std::vector<std::pair<std::string, std::string>> properties;  // of the device
  int64_t method = 0;
  const TableDevice* defaults = nullptr;  // the shipped section
  const TableDevice* earlier = nullptr;   // this device's section of an earlier tuning, or nullptr
  SourceOf source_of;
};

/// Entries of `step` whose kernels are `after`, or `before` where it was taken back.
TableDevice make_section(const std::vector<TunedOp>& step, const SectionRequest& request);

/// The table of one section.
DispatchTable table_of(TableDevice section, const std::string& made_by, const std::string& file);

}  // namespace assay
