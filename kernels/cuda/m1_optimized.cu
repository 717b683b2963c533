// m1_optimized: one row of A times n×k weights, a SIMD group (warp) for each TILE outputs. STAGED: A comes through shared memory, BK at a
// time, for all of the block's groups; else each group reads it itself.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  __shared__ T staged[STAGED ? BK : 1];
  const int lane = int(threadIdx.x % 32u), k = call.brief.k;
  const Rows rows = rows_of<false>(call, int((blockIdx.x * THREADS + threadIdx.x) / 32u), TILE);
  const T* a = static_cast<const T*>(call.brief.a);
  const T* b[TILE];
#pragma unroll
  for (int r = 0; r < TILE; ++r) b[r] = row_at<T>(rows.b, uint32_t(min(rows.row + r, rows.n - 1)), rows.stride, 0);
  float sum[TILE] = {};
  for (int from = 0; from < k; from += BK) {
    const int count = min(BK, k - from);
    if constexpr (STAGED) {
      __syncthreads();
      for (int i = int(threadIdx.x); i < count; i += THREADS) staged[i] = a[from + i];
      __syncthreads();
    }
    for (int i = lane; i < count; i += 32) {
      const float x = to_float(STAGED ? staged[i] : a[from + i]);
#pragma unroll
      for (int r = 0; r < TILE; ++r) sum[r] = fmaf(x, to_float(b[r][from + i]), sum[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < TILE; ++r) {
    const float total = lanes_sum<32>(sum[r]);
    const int row = rows.row + r;
    if (lane == r && row < rows.n) finish<T>(call, rows, row, total, addend<T>(call, rows, row, true));
  }
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half>(call); }
