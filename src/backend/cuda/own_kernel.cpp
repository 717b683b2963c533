// Launching kernels of the harness itself.
#include "backend/cuda/own_kernel.h"

namespace assay {

void launch_own_kernel(CUfunction function, unsigned blocks, unsigned rows, CUstream stream, void** parameters,
                       unsigned threads) {
  CUlaunchConfig config{};
  config.gridDimX = blocks;
  config.gridDimY = rows;
  config.blockDimX = threads;
  config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.hStream = stream;
  check(driver().cuLaunchKernelEx_(&config, function, parameters, nullptr), "launching a kernel of assay's own");
}

void* allocate_on_host(int64_t bytes) {
  void* memory = nullptr;
  check(driver().cuMemAllocHost_(&memory, size_t(bytes)), "allocating");
  return memory;
}

}  // namespace assay
