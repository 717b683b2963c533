// NVIDIA's own libraries as kernels: cuBLAS, and each algorithm that cuBLASLt's heuristic returns.
#pragma once
#include "backend/cuda/cuda_kernel.h"

namespace assay {

/// Vendor "cublas" or "cublaslt"; parameter ALGO is the heuristic's ALGO-th answer. Error if the library is missing.
std::unique_ptr<StreamKernel> load_cublas_kernel(const Variant& variant);

}  // namespace assay
