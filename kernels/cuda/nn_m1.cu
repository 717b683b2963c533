// nn_m1: one row of A times k×n weights: a block takes COLUMNS neighbouring columns and, in a cluster, its share of k; each thread keeps
// UNROLL 16-byte loads of 8 columns in flight; sums over k meet by shuffles, shared memory, and in the cluster's first block.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "column_sums.h"

namespace assay {

constexpr unsigned kAcross = COLUMNS / 8;
constexpr int kEach = 8, kDown = THREADS / int(kAcross);
/// Columns that a lane is left with after fold().
constexpr int kLeft = kAcross >= 16 ? 4 : kAcross >= 8 ? 2 : 1;

/// Eight columns' sums over the lanes that share them: lanes exchange halves, so that each ends with kLeft columns from the returned one.
__device__ __forceinline__ int fold(float* v) {
  const int lane = int(threadIdx.x % 32u);
  int first = 0, width = kEach;
#pragma unroll
  for (int offset = 16; offset >= int(kAcross); offset /= 2) {
    if (width == 1) {
      v[0] += __shfl_xor_sync(0xffffffffu, v[0], offset);
      continue;
    }
    const bool upper = lane & offset;
    width /= 2;
#pragma unroll
    for (int i = 0; i < kEach / 2; ++i)
      if (i < width) {
        const float give = upper ? v[i] : v[i + width], keep = upper ? v[i + width] : v[i];
        v[i] = keep + __shfl_xor_sync(0xffffffffu, give, offset);
      }
    if (upper) first += width;
  }
  return first;
}

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  using Sums = ColumnSums<T, COLUMNS, THREADS / 32, CLUSTER>;
  let_next_begin();
  __shared__ Sums sums;
  const int k = call.brief.k, n = call.brief.n, rank = CLUSTER > 1 ? int(cluster_rank()) : 0;
  const int column = int(blockIdx.x) / CLUSTER * COLUMNS, across = int(threadIdx.x % kAcross), down = int(threadIdx.x / kAcross);
  const int first = int(int64_t(k) * rank / CLUSTER), last = int(int64_t(k) * (rank + 1) / CLUSTER), mine = column + across * kEach;
  if constexpr (CLUSTER > 1) cluster_arrive();
  const T* a = static_cast<const T*>(call.brief.a);
  const T* b = static_cast<const T*>(call.brief.b) + mine;
  const uint32_t stride = uint32_t(call.brief.stride);

  float v[kEach] = {}, add = 0;
  if (n % kEach == 0) {
    for (int from = first + down; from - down < last; from += kDown * UNROLL) {
      Words w[UNROLL];
      float x[UNROLL];
#pragma unroll
      for (int u = 0; u < UNROLL; ++u) {
        const int row = from + u * kDown;
        w[u] = load_words_if<HINT>(row < last && mine < n, row_at<T>(b, uint32_t(row), stride, 0));
      }
      wait_for_previous();
#pragma unroll
      for (int u = 0; u < UNROLL; ++u) x[u] = from + u * kDown < last ? to_float(a[from + u * kDown]) : 0;
      if (from == first + down) add = Sums::addend(call, column, n, rank);
#pragma unroll
      for (int u = 0; u < UNROLL; ++u)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float y[2];
          unpack(w[u].w[i], T{}, y);
          v[2 * i] = fmaf(x[u], y[0], v[2 * i]), v[2 * i + 1] = fmaf(x[u], y[1], v[2 * i + 1]);
        }
    }
  } else {
    wait_for_previous();
    add = Sums::addend(call, column, n, rank);
#pragma unroll 1
    for (int from = first + down; from < last; from += kDown)
#pragma unroll
      for (int i = 0; i < kEach; ++i)
        if (mine + i < n) v[i] = fmaf(to_float(a[from]), to_float(row_at<T>(b, uint32_t(from), stride, 0)[i]), v[i]);
  }
  wait_for_previous();  // also where no row of A is this block's
  const int offset = fold(v), lane = int(threadIdx.x % 32u);
  // Lanes that differ in bits that fold() merely summed hold the same: the first of them writes.
  if ((unsigned(lane) & (32 / kEach - 1) & ~(kAcross - 1)) == 0)
#pragma unroll
    for (int i = 0; i < kLeft; ++i) sums.partial[threadIdx.x / 32][across * kEach + offset + i] = v[i];
  sums.finish(call, column, n, rank, add);
}

}  // namespace assay

ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(nn, bf16, bf16, bf16) { assay::dot<assay::Bfloat>(call); }
