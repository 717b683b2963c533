// mlx: tiled GEMM on tensor cores: a block makes BM rows by BN columns of D, BK of k at a time through shared memory, the next tile on its
// way in registers; WM by WN warps. B's rows are the tensor tile's 16 rows and A's its 8 columns, so that BM = 8 wastes nothing.
#define ASSAY_BOUNDS __launch_bounds__(32 * WM * WN)
#include "device.h"

namespace assay {

constexpr int kThreads = 32 * WM * WN, kPad = 8, kRow = BK + kPad;  // a row of a tile: padded, so that eight rows differ in their banks
constexpr int kTilesM = BM / WM / 8, kTilesN = BN / WN / 16;
static_assert(BM % (8 * WM) == 0 && BN % (16 * WN) == 0 && BK % 16 == 0, "warps hold whole tensor tiles");

/// ROWS by BK values of an operand, [rows][k] in shared memory whatever its storage: kAlongK says that k is what lies side by side.
template <class T, int kRows, bool kAlongK>
struct Tile {
  static constexpr int kInner = kAlongK ? BK : kRows, kOuter = kAlongK ? kRows : BK, kEach = 8;
  static constexpr int kPieces = kInner * kOuter / kEach, kMine = (kPieces + kThreads - 1) / kThreads;
  static_assert(kInner % kEach == 0, "a piece lies in one line");
  Words w[kMine];

  /// `base`: of the operand's row 0 and k = 0; `stride`: from line to line of its storage; rows and k end at n_rows and n_k.
  __device__ __forceinline__ void load(const T* base, int64_t stride, int first_row, int n_rows, int first_k, int n_k) {
    const int inner_first = kAlongK ? first_k : first_row, inner_end = kAlongK ? n_k : n_rows;
    const int outer_first = kAlongK ? first_row : first_k, outer_end = kAlongK ? n_rows : n_k;
    const bool aligned = stride % kEach == 0 && reinterpret_cast<uintptr_t>(base) % 16 == 0;
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int piece = i * kThreads + int(threadIdx.x), inner = inner_first + piece % (kInner / kEach) * kEach;
      const int outer = outer_first + piece / (kInner / kEach);
      w[i] = Words{};
      if (piece >= kPieces || outer >= outer_end) continue;
      const T* at = base + outer * stride + inner;
      if (aligned && inner + kEach <= inner_end) {
        w[i] = load_words<kCached>(at);
      } else {
#pragma unroll
        for (int j = 0; j < kEach; ++j)
          if (inner + j < inner_end) w[i].w[j / 2] |= uint32_t(at[j].bits) << (j % 2 * 16);
      }
    }
  }

  __device__ __forceinline__ void store(uint16_t (*tile)[kRow]) const {
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int piece = i * kThreads + int(threadIdx.x), inner = piece % (kInner / kEach) * kEach, outer = piece / (kInner / kEach);
      if (piece >= kPieces) continue;
      if constexpr (kAlongK) {
        *reinterpret_cast<Words*>(&tile[outer][inner]) = w[i];
      } else {
#pragma unroll
        for (int j = 0; j < kEach; ++j) tile[inner + j][outer] = uint16_t(w[i].w[j / 2] >> (j % 2 * 16));
      }
    }
  }
};

template <class T, bool kTransA, bool kTransB>
__device__ __forceinline__ void multiply(const assay_cuda_call& call) {
  __shared__ __align__(16) uint16_t a_tile[2][BM][kRow], b_tile[2][BN][kRow];
  const assay_cuda_segment& s = call.matmul.segment[0];
  const int batch = int(blockIdx.z), first_m = int(blockIdx.y) * BM, first_n = int(blockIdx.x) * BN;
  const int m = call.matmul.a.dims[1], n = s.b.dims[1], k = call.matmul.a.dims[2];
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), g = lane / 4, t = lane % 4;
  const int warp_m = warp % WM * (BM / WM), warp_n = warp / WM * (BN / WN);
  const T* a = element<T>(call.matmul.a, batch, 0, 0);
#ifdef PREPARED
  const T* b = static_cast<const T*>(call.prepared) + int64_t(batch) * n * k;
  const int64_t b_stride = k;
#else
  const T* b = element<T>(s.b, batch, 0, 0);
  const int64_t b_stride = kTransB ? s.b.strides[1] : s.b.strides[2];
#endif
  const int64_t a_stride = kTransA ? call.matmul.a.strides[2] : call.matmul.a.strides[1];

  Tile<T, BM, !kTransA> next_a;
  Tile<T, BN, kTransB> next_b;
  float c[kTilesN][kTilesM][4] = {};
  next_a.load(a, a_stride, first_m, m, 0, k);
  next_b.load(b, b_stride, first_n, n, 0, k);
  for (int from = 0, now = 0; from < k; from += BK, now ^= 1) {
    next_a.store(a_tile[now]);
    next_b.store(b_tile[now]);
    __syncthreads();  // one a tile: the other buffer was last read before the previous one
    if (from + BK < k) {
      next_a.load(a, a_stride, first_m, m, from + BK, k);
      next_b.load(b, b_stride, first_n, n, from + BK, k);
    }
#pragma unroll
    for (int step = 0; step < BK; step += 16) {
      const auto word = [&](const uint16_t(*tile)[kRow], int row, int column) {
        return *reinterpret_cast<const uint32_t*>(&tile[row][step + column + 2 * t]);
      };
      uint32_t right[kTilesM][2];
#pragma unroll
      for (int j = 0; j < kTilesM; ++j)
        right[j][0] = word(a_tile[now], warp_m + j * 8 + g, 0), right[j][1] = word(a_tile[now], warp_m + j * 8 + g, 8);
#pragma unroll
      for (int i = 0; i < kTilesN; ++i) {
        const int row = warp_n + i * 16 + g;
        const uint32_t l0 = word(b_tile[now], row, 0), l1 = word(b_tile[now], row + 8, 0);
        const uint32_t l2 = word(b_tile[now], row, 8), l3 = word(b_tile[now], row + 8, 8);
#pragma unroll
        for (int j = 0; j < kTilesM; ++j) multiply_tile(c[i][j], l0, l1, l2, l3, right[j][0], right[j][1], T{});
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kTilesN; ++i)
#pragma unroll
    for (int j = 0; j < kTilesM; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int row = first_m + warp_m + j * 8 + 2 * t + e % 2, column = first_n + warp_n + i * 16 + g + e / 2 * 8;
        if (row < m && column < n) write<T>(call, s, batch, row, column, c[i][j][e]);
      }
}

}  // namespace assay

#ifdef PREPARED
ASSAY_ENTRY(nn, f16, f16, f16) { assay::multiply<assay::Half, false, true>(call); }
#else
ASSAY_ENTRY(nn, f16, f16, f16) { assay::multiply<assay::Half, false, false>(call); }
ASSAY_ENTRY(nt, f16, f16, f16) { assay::multiply<assay::Half, false, true>(call); }
ASSAY_ENTRY(tn, f16, f16, f16) { assay::multiply<assay::Half, true, false>(call); }
ASSAY_ENTRY(tt, f16, f16, f16) { assay::multiply<assay::Half, true, true>(call); }
#endif
