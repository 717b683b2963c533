// One row's cells measured in turns, proved before they are timed and after.
#pragma once
#include <functional>

#include "opbench/cell_worker.h"
#include "opbench/opbench.h"
#include "opbench/row_judgement.h"

namespace assay {

/// What a cell came to.
struct CellResult {
  Outcome outcome = Outcome::pass;
  std::string detail;
  std::vector<std::string> tags;
  std::vector<double> us;
  std::vector<uint8_t> disturbed;  // by sample
  double ceiling_us = 0;           // the same bytes only moved on its device, in the same rounds; 0: that could not run
  double fastest_moved_us = 0;     // of these, a fast one
  OutputErrors errors;
  double seconds = 0, check_seconds = 0;
};

/// Cells of frameworks that are here, as given. The process has no thread. None where it was interrupted.
std::vector<CellResult> measure_row(const OperationRow& row, const std::vector<const FrameworkModule*>& frameworks,
                                    const OpbenchOptions& options);

}  // namespace assay
