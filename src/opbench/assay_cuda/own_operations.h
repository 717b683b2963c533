// Assay's own operations on an NVIDIA GPU, one function each that makes a row ready; the framework asks them in turn.
#pragma once
#include <functional>
#include <memory>

#include "opbench/cuda/device_row.h"

namespace assay {

/// What computes a row from inputs on the device into an output there; it returns before that is done.
using DeviceRun = std::function<void(const void* const* inputs, void* output)>;

DeviceRun make_elementwise(const OperationRow& row);
DeviceRun make_reduction(const OperationRow& row);
DeviceRun make_lines(const OperationRow& row);
DeviceRun make_moves(const OperationRow& row);
DeviceRun make_scatter(const OperationRow& row);
DeviceRun make_sort(const OperationRow& row);
DeviceRun make_product(const OperationRow& row);
DeviceRun make_attention(const OperationRow& row);

/// Of this device.
inline int multiprocessors() {
  int count = 0;
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0), "asking for multiprocessors");
  return count;
}

/// Device memory that a row keeps, zeroed.
template <typename T>
std::shared_ptr<DeviceBlock> zeroed(size_t count) {
  const auto block = std::make_shared<DeviceBlock>(count * sizeof(T));
  check_cuda(cudaMemset(block->data(), 0, count * sizeof(T)), "zeroing");
  return block;
}

}  // namespace assay
