// Each operation in torch's words, on whatever device its operands are.
#pragma once
#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "opbench/operations.h"

namespace assay {

/// The operands of a row as torch sees them: views of memory that is there.
using Tensors = std::vector<at::Tensor>;

/// Either `into` writes into an output that is there, or `made` returns a tensor of torch's own.
struct TorchOperation {
  std::function<void(const Tensors& inputs, at::Tensor& output)> into;
  std::function<at::Tensor(const Tensors& inputs)> made;
  bool channels_first = false;  // inputs and output are seen as [N, C, ..] over memory that lies [N, .., C]
  std::string how;
};

TorchOperation torch_operation(const OperationRow& row);

}  // namespace assay
