// The CUDA driver as a table of functions, opened while the program runs, and what its errors mean for a worker.
#pragma once
#include <cuda.h>

#include <string>

namespace assay {

// Every function that is used, once; cuda.h maps some of the names to versioned ones.
#define ASSAY_DRIVER_FUNCTIONS(X)                                                                                   \
  X(cuInit)                                                                                                         \
  X(cuGetErrorName) X(cuGetErrorString) X(cuDriverGetVersion) X(cuDeviceGetCount) X(cuDeviceGet) X(cuDeviceGetName) \
      X(cuDeviceGetUuid) X(cuDeviceTotalMem) X(cuDeviceGetAttribute) X(cuDevicePrimaryCtxRetain)                    \
          X(cuDevicePrimaryCtxSetFlags) X(cuCtxSetCurrent) X(cuStreamCreate) X(cuStreamSynchronize)                 \
              X(cuStreamBeginCapture) X(cuStreamEndCapture) X(cuEventCreate) X(cuEventRecord) X(cuEventElapsedTime) \
                  X(cuGraphInstantiateWithFlags) X(cuGraphUpload) X(cuGraphLaunch) X(cuGraphDestroy)                \
                      X(cuGraphExecDestroy) X(cuModuleLoadData) X(cuModuleGetFunction) X(cuFuncSetAttribute)        \
                          X(cuFuncGetAttribute) X(cuLaunchKernelEx) X(cuMemAlloc) X(cuMemFree) X(cuMemAllocHost)    \
                              X(cuMemcpyHtoDAsync) X(cuMemcpyDtoHAsync) X(cuMemcpyDtoDAsync) X(cuMemsetD8Async)

struct Driver {
#define ASSAY_DECLARE(name) decltype(&::name) name##_ = nullptr;
  ASSAY_DRIVER_FUNCTIONS(ASSAY_DECLARE)
#undef ASSAY_DECLARE
};

/// Opens libcuda.so.1 once. Error that says what is missing; nothing is initialised yet.
const Driver& driver();

/// "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)".
std::string driver_error(CUresult result);

/// Error "STEP: …" unless it succeeded. A result after which no call can succeed any more (an illegal address, a trap)
/// ends the process with an exit code that fault_message() reads.
void check(CUresult result, const char* step);

/// What an exit code of check() stands for; "" if it is none of its.
std::string fault_message(int exit_code);

}  // namespace assay
