// bulk_mma: 2 to 16 rows of A times n×k weights on tensor cores: bulk copies (cp.async.bulk, mbarriers) bring ROWS rows of B to a ring of
// STAGES in shared memory; WARPS warps share k, each with its part of A in registers, MTILES times 8 of its rows.
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#include "bulk.h"

namespace assay {

constexpr int kTiles = ROWS < 16 ? 1 : ROWS / 16, kStep = 32;  // of 16 rows; values of k that a warp takes at once
static_assert(ROWS == 8 || ROWS % 16 == 0, "a tile of the tensor cores has 16 rows; of the last, half may lack");

/// A warp's part of k, and where its rows lie in a stage: rows that meet in a load of shared memory fall to different banks.
struct KShare {
  int steps, begin, end;
  __device__ __forceinline__ KShare(int k, int warp) : steps(((k + kStep - 1) / kStep + WARPS - 1) / WARPS) {
    begin = min(warp * steps * kStep, k), end = min(begin + steps * kStep, k);
  }
  __device__ __forceinline__ uint32_t bytes() const { return 2 * uint32_t(end - begin); }
  __device__ __forceinline__ uint32_t stride() const { return 2 * kStep * (uint32_t(steps) | 1); }
};

/// One group of rows times A: c[tile][MTILES of A][4].
template <class T>
__device__ __forceinline__ void multiply_stage(uint32_t stage, const KShare& share, const Words (&x)[MTILES][STEPS], float (&c)[kTiles][MTILES][4]) {
  const int lane = int(threadIdx.x % 32u), g = lane / 4, own = lane % 4 * 8;
  const uint32_t from = stage + uint32_t(g) * share.stride() + 2 * uint32_t(own);
#pragma unroll
  for (int i = 0; i < STEPS; ++i) {
    const bool inside = share.begin + i * kStep + own < share.end;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      Words low = {}, high = {};
      const uint32_t at = from + uint32_t(16 * tile) * share.stride() + uint32_t(2 * kStep * i);
      if (inside) low = words_of_stage(at);
      if (ROWS > 8 && inside) high = words_of_stage(at + 8 * share.stride());
#pragma unroll
      for (int r = 0; r < MTILES; ++r) {
        multiply_tile(c[tile][r], low.w[0], high.w[0], low.w[1], high.w[1], x[r][i].w[0], x[r][i].w[1], T{});
        multiply_tile(c[tile][r], low.w[2], high.w[2], low.w[3], high.w[3], x[r][i].w[2], x[r][i].w[3], T{});
      }
    }
  }
}

template <class T>
__device__ __forceinline__ void multiply(const assay_cuda_call& call) {
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stages[];
  __shared__ uint64_t arrived[WARPS][STAGES];
  __shared__ float partial[BLOCKS > 0 ? 2 : 1][WARPS][8 * MTILES][ROWS];
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), k = call.brief.k, n = call.brief.n;
  const KShare share(k, warp);
  const uint32_t row_bytes = 2 * uint32_t(k), stage_bytes = ROWS * share.stride();
  const int groups = (n + ROWS - 1) / ROWS, step = int(gridDim.x), first = int(blockIdx.x);
  const uint32_t ring = shared_address(call, stages) + uint32_t(warp * STAGES) * stage_bytes, barrier = shared_address(call, arrived[warp]);
  const char* const b = static_cast<const char*>(call.brief.b) + 2 * share.begin;
  const auto ask = [&](int group, uint32_t at) {
    const int count = min(ROWS, n - group * ROWS);
    if (lane == 0) expect_bytes(barrier + 8 * at, uint32_t(count) * share.bytes());
    __syncwarp();
    if (share.bytes() > 0)
      for (int r = lane; r < count; r += 32)
        copy_bulk(ring + at * stage_bytes + uint32_t(r) * share.stride(), b + uint64_t(uint32_t(group * ROWS + r)) * row_bytes, share.bytes(), barrier + 8 * at);
  };
  if (lane == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; ++s) make_barrier(barrier + 8 * uint32_t(s));
    show_barriers();
  }
  __syncwarp();
#pragma unroll
  for (int s = 0; s < STAGES; ++s)
    if (first + s * step < groups) ask(first + s * step, uint32_t(s));
  const int m = call.matmul.a.dims[1];
  wait_for_previous();
  Words x[MTILES][STEPS];
#pragma unroll
  for (int r = 0; r < MTILES; ++r) {
    const int row = 8 * r + lane / 4;
    const T* const a = static_cast<const T*>(call.brief.a) + int64_t(min(row, m - 1)) * k + share.begin + lane % 4 * 8;
#pragma unroll
    for (int i = 0; i < STEPS; ++i)
      x[r][i] = load_words_if<kCached>(row < m && share.begin + i * kStep + lane % 4 * 8 < share.end, a + i * kStep);
  }
  uint32_t at = 0, round = 0, side = 0;
  for (int group = first; group < groups; group += step) {
    float c[kTiles][MTILES][4] = {};
    wait_for(barrier + 8 * at, round);
    multiply_stage<T>(ring + at * stage_bytes, share, x, c);
    __syncwarp();
    if (group + STAGES * step < groups) ask(group + STAGES * step, at);
    if (++at == STAGES) at = 0, round ^= 1;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile)
#pragma unroll
      for (int r = 0; r < MTILES; ++r)
#pragma unroll
        for (int i = 0; i < (ROWS > 8 ? 4 : 2); ++i)
          partial[side][warp][8 * r + lane % 4 * 2 + i % 2][16 * tile + lane / 4 + i / 2 * 8] = c[tile][r][i];
    __syncthreads();
    for (int i = int(threadIdx.x); i < m * ROWS; i += 32 * WARPS) {
      const int row = i / ROWS, column = group * ROWS + i % ROWS;
      float sum = 0;
#pragma unroll
      for (int w = 0; w < WARPS; ++w) sum += partial[side][w][row][i % ROWS];
      if (column < n) write<T>(call, call.matmul.segment[0], 0, row, column, sum);
    }
    side ^= BLOCKS > 0;
  }
}

}  // namespace assay

#ifdef PREPARED
ASSAY_ENTRY(nn, f16, f16, f16) { assay::multiply<assay::Half>(call); }
#else
ASSAY_ENTRY(nt, f16, f16, f16) { assay::multiply<assay::Half>(call); }
ASSAY_ENTRY(nt, bf16, bf16, bf16) { assay::multiply<assay::Bfloat>(call); }
#endif
