// How long measuring a cell takes, foretold from its bytes and flops on two cores.
#pragma once
#include "opbench/operations.h"

namespace assay {

/// How a cell is taken, as far as it decides the time.
struct CellEffort {
  bool is_own = false;    // assay's code comes nearer to the ceiling than others'
  bool is_proved = true;  // its answers are compared; not those of what only moves the bytes
  int turns = 5;          // of samples, at most
  bool as_seed = false;   // calls one after another instead
};

/// In seconds, without loading the framework.
double expected_cell_seconds(const OperationRow& row, const CellEffort& effort);

/// Drawing a row's inputs and laying out its memory, once for all its cells.
double expected_memory_seconds(const OperationRow& row);

}  // namespace assay
