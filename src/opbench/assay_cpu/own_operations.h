// Assay's own operations on the CPU, one function each that makes a row ready; the framework asks them in turn.
#pragma once
#include <functional>
#include <memory>

#include "opbench/framework.h"

namespace assay {

/// What computes a row from its inputs into its output.
using OwnRun = std::function<void(const void* const* inputs, void* output)>;

/// What an object of this kind, made once for the row, does.
template <typename Kind>
OwnRun run_of(const OperationRow& row, const ThreadTeam& team) {
  const auto kind = std::make_shared<Kind>(row, team);
  return [kind](const void* const* inputs, void* output) { kind->run(inputs, output); };
}

OwnRun make_elementwise(const OperationRow& row, const ThreadTeam& team);
OwnRun make_reduction(const OperationRow& row, const ThreadTeam& team);
OwnRun make_lines(const OperationRow& row, const ThreadTeam& team);
OwnRun make_moves(const OperationRow& row, const ThreadTeam& team);
OwnRun make_scatter(const OperationRow& row, const ThreadTeam& team);
OwnRun make_sort(const OperationRow& row, const ThreadTeam& team);
OwnRun make_convolution(const OperationRow& row, const ThreadTeam& team);
OwnRun make_product(const OperationRow& row, const ThreadTeam& team);
OwnRun make_attention(const OperationRow& row, const ThreadTeam& team);

}  // namespace assay
