// The prepare step of kernels that want k×n weights the other way: n×k, batch after batch, any 16-bit type.
#pragma once
#include "device.h"

// Tiles of 32 by 32 through shared memory; 32 by 8 threads, a batch a z.
ASSAY_PREPARE {
  __shared__ uint16_t tile[32][33];
  const assay_cuda_tensor& b = call.matmul.segment[0].b;
  const int n = b.dims[1], k = b.dims[2], first_n = int(blockIdx.x) * 32, first_k = int(blockIdx.y) * 32,
            x = int(threadIdx.x);
  const uint16_t* from = static_cast<const uint16_t*>(b.data) + int64_t(blockIdx.z) * b.strides[0];
  uint16_t* to = static_cast<uint16_t*>(call.prepared) + int64_t(blockIdx.z) * n * k;
  for (int i = int(threadIdx.y); i < 32; i += 8)
    if (first_k + i < k && first_n + x < n)
      tile[i][x] = from[(first_k + i) * b.strides[2] + (first_n + x) * b.strides[1]];
  __syncthreads();
  for (int i = int(threadIdx.y); i < 32; i += 8)
    if (first_n + i < n && first_k + x < k) to[int64_t(first_n + i) * k + first_k + x] = tile[x][i];
}
