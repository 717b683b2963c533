// Kernels of the harness itself, out of device_code.h, and memory of the host that a device reaches by itself.
#pragma once
#include <cstdint>

#include "backend/cuda/driver.h"

namespace assay {

inline constexpr unsigned kOwnKernelThreads = 256;

/// In a grid of blocks × rows, kOwnKernelThreads each.
void launch_own_kernel(CUfunction function, unsigned blocks, unsigned rows, CUstream stream, void** parameters,
                       unsigned threads = kOwnKernelThreads);

/// Lives as long as the process. A copy to or from it does not hold up the host.
void* allocate_on_host(int64_t bytes);

}  // namespace assay
