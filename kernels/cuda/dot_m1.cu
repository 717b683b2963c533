// dot_m1: one row of A times n×k weights by dot products without staging: LANES lanes a row of B, ROWS rows a lane group, and all
// UNROLL 16-byte loads of a row in flight before any arithmetic. Rows that are not 16-byte aligned are read element by element.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

template <class T, bool kFused, bool kWhole>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  constexpr int kGroups = THREADS / LANES, kEach = kPerLoad<T>, kStep = LANES * kEach;
  const int lane = int(threadIdx.x % unsigned(LANES)), in_block = int(threadIdx.x / unsigned(LANES)), k = call.brief.k;
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * kGroups + in_block, ROWS);
  const T* a = static_cast<const T*>(call.brief.a);
  const T* b[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) b[r] = row_at<T>(rows.b, uint32_t(min(rows.row + r, rows.n - 1)), rows.stride, 0);
  const int row = rows.row + lane;  // lane r finishes row r
  const bool mine = lane < ROWS && row < rows.n;

  float sum[ROWS] = {}, add = 0;
  if constexpr (kWhole) {
    for (int from = lane * kEach; from - lane * kEach < k; from += kStep * UNROLL) {
      Words weights[UNROLL][ROWS], activations[UNROLL];
#pragma unroll
      for (int u = 0; u < UNROLL; ++u)
#pragma unroll
        for (int r = 0; r < ROWS; ++r) weights[u][r] = load_words_if<HINT>(from + u * kStep < k, b[r] + from + u * kStep);
#pragma unroll
      for (int u = 0; u < UNROLL; ++u) activations[u] = load_words_if<kCached>(from + u * kStep < k, a + from + u * kStep);
      if (mine && from == lane * kEach) add = addend<T>(call, rows, row);
#pragma unroll
      for (int u = 0; u < UNROLL; ++u)
#pragma unroll
        for (int r = 0; r < ROWS; ++r) sum[r] = dot_words<T>(activations[u], weights[u][r], sum[r]);
    }
  } else {
    if (mine) add = addend<T>(call, rows, row);
#pragma unroll 1
    for (int i = lane; i < k; i += LANES)
#pragma unroll
      for (int r = 0; r < ROWS; ++r) sum[r] = fmaf(to_float(a[i]), to_float(b[r][i]), sum[r]);
  }

#pragma unroll
  for (int r = 0; r < ROWS; ++r) sum[r] = lanes_sum<(LANES < 32 ? LANES : 32)>(sum[r]);
  float total = sum[0];
  if constexpr (LANES > 32) {
    constexpr int kWarps = (LANES + 31) / 32;
    __shared__ float partial[kGroups][kWarps][ROWS];
    auto& sums = partial[in_block];
    if (lane % 32 == 0)
#pragma unroll
      for (int r = 0; r < ROWS; ++r) sums[lane / 32][r] = sum[r];
    __syncthreads();
    if (!mine) return;
    total = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) total += sums[w][lane];
  } else {
#pragma unroll
    for (int r = 1; r < ROWS; ++r) total = lane == r ? sum[r] : total;
  }
  if (mine) finish<T>(call, rows, row, total, add);
}

// Apart: the usual cases are then short, and their instructions lie in a row.
template <class T>
__device__ __noinline__ void dot_unaligned(const assay_cuda_call& call) {
  if (call.brief.segments == 1)
    dot<T, false, false>(call);
  else
    dot<T, true, false>(call);
}

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  if (call.brief.k % kPerLoad<T> != 0)
    dot_unaligned<T>(call);
  else if (call.brief.segments == 1)
    dot<T, false, true>(call);
  else
    dot<T, true, true>(call);
}

}  // namespace assay

#ifdef PREPARED
ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(nn, bf16, bf16, bf16) { assay::dot<assay::Bfloat>(call); }
#else
ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat>(call); }
ASSAY_ENTRY(nt, f32, f32, f32) { assay::dot<float>(call); }
#endif
