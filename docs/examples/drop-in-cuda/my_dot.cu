// A drop-in kernel for an NVIDIA GPU: one row of A times B stored n×k, F16 in and out, a thread an output.
#include <cuda_fp16.h>

#include "assay_cuda.h"

ASSAY_ENTRY(nt, f16, f16, f16) {
  const assay_cuda_segment& s = call.matmul.segment[0];
  const int column = int(blockIdx.x * blockDim.x + threadIdx.x), k = s.b.dims[2];
  if (column >= s.b.dims[1]) return;
  const __half* a = static_cast<const __half*>(call.matmul.a.data);
  const __half* b = static_cast<const __half*>(s.b.data) + column * s.b.strides[1];
  float sum = 0;
#pragma unroll UNROLL
  for (int i = 0; i < k; ++i) sum += __half2float(a[i]) * __half2float(b[i]);
  static_cast<__half*>(s.d.data)[column] = __float2half(sum);
}
