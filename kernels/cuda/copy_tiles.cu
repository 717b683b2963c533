// copy_tiles: squares of 32 by 32 of D's rows and columns, read along whichever of the two lies together in A, through shared memory where
// that is the rows; the types are known to the compiler.
#define ASSAY_BOUNDS __launch_bounds__(32 * DEEP)
#include "device.h"

namespace assay {

template <class A, class D>
__device__ __forceinline__ void copy(const assay_cuda_call& call) {
  const assay_cuda_tensor &a = call.tensors[0], &d = call.tensors[1];
  const int x = int(threadIdx.x % 32u), y = int(threadIdx.x / 32u), m = d.dims[1], n = d.dims[2];
  const int first_n = int(blockIdx.x) * 32, first_m = int(blockIdx.y) * 32;
  const int64_t batch = blockIdx.z;
  const A* const from = static_cast<const A*>(a.data) + batch / (d.dims[0] / a.dims[0]) * a.strides[0];
  D* const to = static_cast<D*>(d.data) + batch * d.strides[0];
  if (a.strides[1] != 1 || a.strides[2] == 1) {
#pragma unroll
    for (int i = y; i < 32; i += DEEP)
      if (first_m + i < m && first_n + x < n)
        to[(first_m + i) * d.strides[1] + (first_n + x) * d.strides[2]] =
            from_float<D>(to_float(from[(first_m + i) * a.strides[1] + (first_n + x) * a.strides[2]]));
    return;
  }
  __shared__ float tile[32][33];
#pragma unroll
  for (int i = y; i < 32; i += DEEP)
    if (first_m + x < m && first_n + i < n) tile[i][x] = to_float(from[(first_m + x) + (first_n + i) * a.strides[2]]);
  __syncthreads();
#pragma unroll
  for (int i = y; i < 32; i += DEEP)
    if (first_m + i < m && first_n + x < n) to[(first_m + i) * d.strides[1] + (first_n + x) * d.strides[2]] = from_float<D>(tile[x][i]);
}

}  // namespace assay

#define ASSAY_COPY(a, d, A, D) \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##d(const __grid_constant__ assay_cuda_call call) { assay::copy<A, D>(call); }
#define ASSAY_COPY_OF(a, A) \
  ASSAY_COPY(a, f32, A, float) ASSAY_COPY(a, f16, A, assay::Half) ASSAY_COPY(a, bf16, A, assay::Bfloat)
ASSAY_COPY_OF(f32, float)
ASSAY_COPY_OF(f16, assay::Half)
ASSAY_COPY_OF(bf16, assay::Bfloat)
