// Each operation in MLX's words, as a graph that nothing has computed yet.
#pragma once
#include <mlx/mlx.h>

#include <functional>
#include <vector>

#include "opbench/operations.h"

namespace assay {

namespace mx = mlx::core;

/// The operands of a row as MLX sees them.
using MlxArrays = std::vector<mx::array>;

/// What makes the row's output of its inputs when it is evaluated; empty where MLX lacks the operation.
using MlxOperation = std::function<mx::array(const MlxArrays& inputs)>;

MlxOperation mlx_operation(const OperationRow& row);

}  // namespace assay
