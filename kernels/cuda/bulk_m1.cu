// bulk_m1: one row of A times n×k weights that bulk copies bring to shared memory (cp.async.bulk, mbarriers): each warp has STAGES of its
// own, ROWS rows of B in each or, where SHARED, its part of their k; one lane asks for them and no register waits for memory.
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#include "bulk.h"

namespace assay {

constexpr int kTakers = SHARED ? 1 : WARPS;  // groups of rows that a block has at a time

/// What a warp has of each row, in words of 16 bytes, and what its stages take.
struct Share {
  uint32_t begin, words, most;
  __device__ __forceinline__ Share(uint32_t of_row, uint32_t warp)
      : begin(SHARED ? of_row * warp / WARPS : 0),
        words((SHARED ? of_row * (warp + 1) / WARPS : of_row) - begin),
        most(SHARED ? (of_row + WARPS - 1) / WARPS : of_row) {}
};

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stages[];
  __shared__ uint64_t arrived[WARPS][STAGES];
  __shared__ float partial[2][WARPS][ROWS];
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), k = call.brief.k, n = call.brief.n;
  const Share share(uint32_t(k) * uint32_t(sizeof(T)) / 16, uint32_t(warp));
  const uint32_t row_bytes = uint32_t(k) * uint32_t(sizeof(T)), stage_bytes = ROWS * 16 * share.most;
  const int groups = (n + ROWS - 1) / ROWS, step = int(gridDim.x) * kTakers, first = int(blockIdx.x) * kTakers + (SHARED ? 0 : warp);
  const uint32_t stage = shared_address(call, stages) + uint32_t(warp * STAGES) * stage_bytes;
  const uint32_t barrier = shared_address(call, arrived[warp]);
  const char* const b = static_cast<const char*>(call.brief.b) + 16 * share.begin;
  const auto ask = [&](int group, uint32_t at) {
    const uint32_t count = uint32_t(min(ROWS, n - group * ROWS)), bytes = 16 * share.words;
    const char* from = b + uint64_t(uint32_t(group) * ROWS) * row_bytes;
    expect_bytes(barrier + 8 * at, count * bytes);
    if constexpr (SHARED) {
      for (uint32_t r = 0; bytes > 0 && r < count; ++r)
        copy_bulk(stage + at * stage_bytes + r * 16 * share.most, from + r * row_bytes, bytes, barrier + 8 * at);
    } else {
      copy_bulk(stage + at * stage_bytes, from, count * bytes, barrier + 8 * at);
    }
  };
  if (lane == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; ++s) make_barrier(barrier + 8 * uint32_t(s));
    show_barriers();
#pragma unroll
    for (int s = 0; s < STAGES; ++s)
      if (first + s * step < groups) ask(first + s * step, uint32_t(s));
  }
  __syncwarp();
  const Rows rows = rows_of<false>(call, 0, 1);
  const auto is_mine = [&](int group) { return (!SHARED || warp == 0) && lane < ROWS && group * ROWS + lane < n; };
  // In a chain a bias, which is a weight, is asked for before the wait.
  const bool is_early = kChained && !call.brief.adds_c;
  const float bias = is_early ? addend<T, true>(call, rows, first * ROWS + lane, is_mine(first)) : 0;
  wait_for_previous();
  const Words* const a = static_cast<const Words*>(call.brief.a) + share.begin;
  uint32_t at = 0, round = 0, side = 0;
  for (int group = first; group < groups; group += step) {
    const int row = group * ROWS + lane;
    const bool mine = is_mine(group);
    const float add = is_early && group == first ? bias : addend<T>(call, rows, row, mine);
    float sum[ROWS] = {};
    const uint32_t from = stage + at * stage_bytes;
    wait_for(barrier + 8 * at, round);
#pragma unroll 4
    for (uint32_t i = uint32_t(lane); i < share.words; i += 32) {
      const Words x = load_words<kCached>(a + i);
#pragma unroll
      for (int r = 0; r < ROWS; ++r)  // what a last group lacks is what lay there before: its sums are thrown away
        sum[r] = dot_words<T>(x, words_of_stage(from + 16 * (uint32_t(r) * share.most + i)), sum[r]);
    }
    __syncwarp();
    if (lane == 0 && group + STAGES * step < groups) ask(group + STAGES * step, at);
    if (++at == STAGES) at = 0, round ^= 1;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sum[r] = lanes_sum<32>(sum[r]);
    float total = sum[0];
#pragma unroll
    for (int r = 1; r < ROWS; ++r) total = lane == r ? sum[r] : total;
    if constexpr (SHARED) {
      if (lane < ROWS) partial[side][warp][lane] = total;
      __syncthreads();
      total = 0;
      if (mine)
#pragma unroll
        for (int w = 0; w < WARPS; ++w) total += partial[side][w][lane];
      side ^= 1;
    }
    if (mine) finish<T>(call, rows, row, total, add);
  }
}

}  // namespace assay

#ifdef PREPARED
ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half>(call); }
#else
ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat>(call); }
#endif
