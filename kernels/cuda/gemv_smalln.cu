// gemv/smalln: products with as few as N = 1 to 16 columns: one block makes all columns of a row of D, its threads share k, each with N
// sums.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

template <class T>
__device__ __forceinline__ void multiply(const assay_cuda_call& call) {
  constexpr int kWarps = THREADS / 32;
  __shared__ float partial[kWarps][N];
  const assay_cuda_segment& s = call.matmul.segment[0];
  const int row = int(blockIdx.x), batch = int(blockIdx.y), k = call.matmul.a.dims[2];
  const T *a = element<T>(call.matmul.a, batch, row, 0), *b = element<T>(s.b, batch, 0, 0);
  float sum[N] = {};
  for (int i = int(threadIdx.x); i < k; i += THREADS) {
    const float x = to_float(a[i * call.matmul.a.strides[2]]);
#pragma unroll
    for (int j = 0; j < N; ++j) sum[j] = fmaf(x, to_float(b[j * s.b.strides[1] + i * s.b.strides[2]]), sum[j]);
  }
#pragma unroll
  for (int j = 0; j < N; ++j) {
    sum[j] = lanes_sum<32>(sum[j]);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32][j] = sum[j];
  }
  __syncthreads();
  if (threadIdx.x >= N) return;
  float total = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) total += partial[w][threadIdx.x];
  write<T>(call, s, batch, row, int(threadIdx.x), total);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, f16, f16) { assay::multiply<assay::Half>(call); }
ASSAY_ENTRY(nn, f16, f16, f16) { assay::multiply<assay::Half>(call); }
