// nn_m1_mma: one row of A times k×n weights on tensor cores: 8x8 pieces of B are turned in registers (movmatrix), so that the sum over k
// needs no shuffles. A block takes 4·WIDTH columns; WARPS warps, and in a cluster CLUSTER blocks, share k; STEPS steps of 16 in flight.
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#include "column_sums.h"

namespace assay {

constexpr int kColumns = 4 * WIDTH, kWords = WIDTH / 2;

__device__ __forceinline__ uint32_t turned(uint32_t word) {
  uint32_t v;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(v) : "r"(word));
  return v;
}

/// WIDTH neighbouring values of one row of B, `left` of them inside.
template <class T>
__device__ __forceinline__ void load_row(const T* p, bool aligned, int left, uint32_t* w) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) w[i] = 0;
  if (aligned) {
    if (left <= 0) return;
    if constexpr (WIDTH == 8) {
      const Words v = load_words<HINT>(p);
#pragma unroll
      for (int i = 0; i < 4; ++i) w[i] = v.w[i];
    } else {
      asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0,%1}, [%2];" : "=r"(w[0]), "=r"(w[1]) : "l"(p));
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < WIDTH; ++i)
    if (i < left) w[i / 2] |= uint32_t(p[i].bits) << (i % 2 * 16);
}

/// A[k], A[k+1] in one word; zero past the end.
template <class T>
__device__ __forceinline__ uint32_t load_pair(const T* a, int k, int last) {
  if (k + 1 < last) return *reinterpret_cast<const uint32_t*>(a + k);
  return k < last ? uint32_t(a[k].bits) : 0;
}

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  using Sums = ColumnSums<T, kColumns, WARPS, CLUSTER>;
  __shared__ Sums sums;
  const int k = call.brief.k, n = call.brief.n, rank = CLUSTER > 1 ? int(cluster_rank()) : 0;
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), g = lane >> 2, t = lane & 3;
  const int column = int(blockIdx.x) / CLUSTER * kColumns, mine = column + t * WIDTH;
  // In whole steps, so that A's pairs are aligned.
  const int steps = (k + 15) / 16, parts = WARPS * CLUSTER, part = rank * WARPS + warp;
  const int first = steps * part / parts * 16, last = min(k, steps * (part + 1) / parts * 16);
  if constexpr (CLUSTER > 1) cluster_arrive();
  const T* a = static_cast<const T*>(call.brief.a);
  const uint32_t stride = uint32_t(call.brief.stride);
  const T* b = static_cast<const T*>(call.brief.b) + mine;
  const bool aligned = n % WIDTH == 0;

  float c[kWords / 2][4] = {}, add = 0;
  for (int from = first; from < last; from += 16 * STEPS) {
    uint32_t w[STEPS][2][kWords], x[STEPS][2];
#pragma unroll
    for (int s = 0; s < STEPS; ++s)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = from + s * 16 + half * 8 + g;
        load_row(row_at<T>(b, uint32_t(row), stride, 0), aligned, row < last ? n - mine : 0, w[s][half]);
      }
#pragma unroll
    for (int s = 0; s < STEPS; ++s)
#pragma unroll
      for (int half = 0; half < 2; ++half) x[s][half] = load_pair(a, from + s * 16 + half * 8 + 2 * t, last);
    if (from == first) add = Sums::addend(call, column, n, rank);
#pragma unroll
    for (int s = 0; s < STEPS; ++s)
#pragma unroll
      for (int i = 0; i < kWords / 2; ++i)
        multiply_tile(c[i], turned(w[s][0][2 * i]), turned(w[s][0][2 * i + 1]), turned(w[s][1][2 * i]), turned(w[s][1][2 * i + 1]), x[s][0],
                      x[s][1], T{});
  }
  if (first >= last) add = Sums::addend(call, column, n, rank);
  // Tile row g is column g % 2 of word 2i of lane g / 2, row g + 8 of word 2i + 1; the tile's columns are all the same.
  if (t == 0) {
#pragma unroll
    for (int i = 0; i < kWords / 2; ++i) {
      float* at = &sums.partial[warp][g / 2 * WIDTH + 4 * i + g % 2];
      at[0] = c[i][0], at[2] = c[i][2];
    }
  }
  sums.finish(call, column, n, rank, add);
}

}  // namespace assay

ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(nn, bf16, bf16, bf16) { assay::dot<assay::Bfloat>(call); }
