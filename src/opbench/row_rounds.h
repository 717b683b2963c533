// One row's cells measured in turns, proved before they are timed and after.
#pragma once
#include <functional>

#include "opbench/cell_worker.h"
#include "opbench/opbench.h"
#include "opbench/row_judgement.h"

namespace assay {

/// What a cell came to. `reads_us`: the same bytes only moved, in the same rounds; empty where that could not run.
struct CellResult {
  Outcome outcome = Outcome::pass;
  std::string detail;
  std::vector<std::string> tags;
  std::vector<double> us;
  OutputErrors errors;
  double seconds = 0, check_seconds = 0;
};

struct RowResult {
  std::vector<CellResult> cells;  // as the frameworks given
  std::vector<double> ceiling_us;
};

/// Frameworks that are here. The process has no thread. Empty cells where it was interrupted.
RowResult measure_row(const OperationRow& row, const std::vector<const FrameworkModule*>& frameworks,
                      const OpbenchOptions& options);

}  // namespace assay
