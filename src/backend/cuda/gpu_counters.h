// What a GPU's hardware counted, by CUPTI's range profiler, which is opened while the program runs.
#pragma once
#include <memory>
#include <string>

#include "backend/cuda/cuda_device.h"
#include "backend/measured_device.h"

namespace assay {

class GpuCounters {
 public:
  /// Error in one line where CUPTI is absent or may not count.
  explicit GpuCounters(const CudaDevice& device);
  ~GpuCounters();
  GpuCounters(const GpuCounters&) = delete;
  GpuCounters& operator=(const GpuCounters&) = delete;

  /// All since the first call. The device must be idle.
  Counts read();

 private:
  class Session;
  std::unique_ptr<Session> session_;
  Counts all_{0, 0, 0};
};

/// "" or, in one line, why nothing is counted on this device. A process of its own tries.
std::string gpu_counters_missing(const DeviceInfo& info);

}  // namespace assay
