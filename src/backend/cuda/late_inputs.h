// Inputs that come late: launches of a chain, each behind a kernel that lets it begin before it has written what it
// reads.
#pragma once
#include <functional>
#include <span>

#include "backend/cuda/cuda_device.h"
#include "backend/measured_device.h"

namespace assay {

class LateInputs {
 public:
  /// Runs them as MeasuredDevice::hand_over() says, calls `meanwhile` while they run, and waits for them. Compute
  /// capability 9.0.
  void run(std::span<const Launch> launches, std::span<const HandedOver> inputs, CUstream stream,
           const std::function<void()>& meanwhile);

 private:
  struct Entry {  // of the kernel's table
    CUdeviceptr to, from;
    uint64_t words, bytes;
  };

  void open();

  CUfunction kernel_ = nullptr;
  Entry* tables_[2] = {};  // of the host, one for launches of even and one for those of odd numbers
};

}  // namespace assay
