// One row's cells measured in turns, proved before they are timed and after.
#pragma once
#include <functional>

#include "opbench/cell_worker.h"
#include "opbench/opbench.h"
#include "opbench/row_judgement.h"

namespace assay {

/// Fewer turns of calls that are long, and those without a call before that is not timed.
inline constexpr int kTurns = 5, kTurnsOfLong = 3;
inline constexpr double kLongUs = 1e6, kWarmUpUs = 3e5;
inline constexpr int kSeedSamples = 5, kSeedCalls = 10;
inline constexpr double kCheckedElements = 2e6;  // of the last output of a turn; of the first output all are

/// What a cell came to.
struct CellResult {
  Outcome outcome = Outcome::pass;
  std::string detail;
  std::vector<std::string> tags;
  std::vector<double> us;
  std::vector<uint8_t> disturbed;  // by sample
  double ceiling_us = 0;           // the same bytes only moved on its device, in the same turns; 0: that could not run
  double fastest_moved_us = 0;     // of these, a fast one
  OutputErrors errors;
  double seconds = 0, check_seconds = 0;
};

/// One where times are not what is asked for.
int turns_of(const OpbenchOptions& options);

/// Cells of frameworks that are here, as given. The process has no thread. None where it was interrupted.
std::vector<CellResult> measure_row(const OperationRow& row, const std::vector<const FrameworkModule*>& frameworks,
                                    const OpbenchOptions& options);

}  // namespace assay
