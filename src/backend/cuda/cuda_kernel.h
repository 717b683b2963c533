// A kernel of a module: its entries found by a launch's types, its geometry from the manifest, its call struct filled.
#pragma once
#include <map>
#include <memory>

#include "backend/cuda/driver.h"
#include "backend/device.h"

namespace assay {

/// What a CudaDevice can put into a stream, also while that is captured into a graph.
class StreamKernel : public LoadedKernel {
 public:
  /// `encoded_ns` gets the moment when only the driver is left to call. A vendor's library does both at once and leaves
  /// it.
  virtual void enqueue(const Launch& launch, CUstream stream, int64_t* encoded_ns) = 0;
};

/// Error if the module cannot be loaded; OverLimit where it needs more than the device has.
std::unique_ptr<StreamKernel> load_cuda_kernel(const Variant& variant, const BuiltModule& module,
                                               const DeviceInfo& info, CUstream stream);

}  // namespace assay
