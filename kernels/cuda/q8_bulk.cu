// q8_bulk: one row of F16 activations times Q8_0 weights: bulk copies bring 8 rows to shared memory, a lane takes two
// blocks of a row, 17 words, so that few lanes meet in a bank, and makes halves of them for tensor cores. Each block of
// a row has a column of the tile to itself, A's values where they are its own: sums of blocks stay apart until they are
// scaled. A tile is 8 rows twice, of other blocks. WARPS warps share k.
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#include "bulk.h"
#include "q8.h"

namespace assay {

constexpr int kRows = 8, kPairBytes = 68, kPairValues = 64,
              kPairs = 8;  // two blocks; pairs of a row that a warp has at once
constexpr int kThreads = 32 * WARPS;

__device__ __forceinline__ uint32_t word_of_stage(uint32_t at) {
  uint32_t v;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(at) : "memory");
  return v;
}
__device__ __forceinline__ float scale_of_stage(bool wanted, uint32_t at) {
  Half v = {};
  if (wanted) asm volatile("ld.shared.u16 %0, [%1];" : "=h"(v.bits) : "r"(at) : "memory");
  return to_float(v);
}

/// Eight words of a block's values: those of the first of two lie two bytes behind a word.
template <bool kSecond>
__device__ __forceinline__ void load_block(uint32_t pair, uint32_t (&words)[8]) {
  uint32_t next = kSecond ? 0 : word_of_stage(pair);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const uint32_t word = next;
    next = word_of_stage(pair + (kSecond ? 36 : 4) + 4 * i);
    words[i] = kSecond ? next : __funnelshift_r(word, next, 16);
  }
}

/// Sums of a block of two pairs of a row: in c those of this lane's columns.
template <bool kSecond>
__device__ __forceinline__ void multiply_block(uint32_t low, uint32_t high, const Words (&x)[4], float (&c)[4]) {
  uint32_t of_low[8], of_high[8];
  load_block<kSecond>(low, of_low);
  load_block<kSecond>(high, of_high);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    uint32_t l[2], h[2];
    bytes_to_halves(of_low[i], l[0], l[1]);
    bytes_to_halves(of_high[i], h[0], h[1]);
    multiply_tile(c, l[0], h[0], l[1], h[1], x[i / 2].w[i % 2 * 2], x[i / 2].w[i % 2 * 2 + 1], Half{});
  }
}

template <bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stage_memory[];
  __shared__ uint64_t arrived;
  __shared__ float partial[WARPS][kRows];
  const int k = call.brief.k, pairs = k / kPairValues, lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u);
  const uint32_t row_bytes = uint32_t(pairs) * kPairBytes;
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x), kRows);
  const uint32_t stage = shared_address(call, stage_memory), barrier = shared_address(call, &arrived);
  const char* const b = static_cast<const char*>(rows.b) + uint64_t(uint32_t(rows.row)) * row_bytes;
  const uint32_t bytes = uint32_t(min(kRows, rows.n - rows.row)) * row_bytes, whole = bytes / 16 * 16;
  if (threadIdx.x < 32) {
    if (threadIdx.x == 0) {
      make_barrier(barrier);
      show_barriers();
      expect_bytes(barrier, whole);
    }
    __syncwarp();
    copy_in_pieces<PIECE>(stage, b, whole, barrier);
  }
  // What is left of the last rows is less than 16 bytes.
  for (uint32_t at = whole + 4 * threadIdx.x; at < bytes; at += 4 * kThreads)
    *reinterpret_cast<uint32_t*>(stage_memory + at) = *reinterpret_cast<const uint32_t*>(b + at);
  const int g = lane / 4, t = lane % 4, row = rows.row + int(threadIdx.x);
  const bool mine = threadIdx.x < kRows && row < rows.n, adds_c = call.brief.adds_c;
  const float bias = addend<Half, true>(call, rows, row, mine);
  const Half* const c_row = static_cast<const Half*>(call.matmul.segment[rows.segment].c.data) + row;
  // As a column g of the right side this lane has A's part of pair g % 4 of the low (g < 4) or the high four pairs, if
  // that pair is its own.
  const bool has_a = g % 4 == t;
  wait_for_previous();
  const float of_c = load_if(mine && adds_c, c_row);
  const Half* const a = static_cast<const Half*>(call.brief.a) + (t + g / 4 * 4) * kPairValues;
  Words x[2][4];
  const auto load_a = [&](int first) {
#pragma unroll
    for (int block = 0; block < 2; ++block)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        x[block][i] = load_words_if<kCached>(has_a && first + t + g / 4 * 4 < pairs,
                                             a + first * kPairValues + 32 * block + 8 * i);
  };
  load_a(warp * kPairs);
  __syncthreads();
  wait_for(barrier, 0);
  float sum = 0;
  for (int first = warp * kPairs; first < pairs; first += WARPS * kPairs) {
    if (first > warp * kPairs) load_a(first);
    const uint32_t of_row = stage + uint32_t(g) * row_bytes;
    const uint32_t low = of_row + uint32_t(min(first + t, pairs - 1)) * kPairBytes,
                   high = of_row + uint32_t(min(first + 4 + t, pairs - 1)) * kPairBytes;
    float of_first[4] = {}, of_second[4] = {};
    multiply_block<false>(low, high, x[0], of_first);
    multiply_block<true>(low, high, x[1], of_second);
    // Columns 0 … 3 count for the low rows of the tile, 4 … 7 for the high ones: this lane holds two of them.
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int pair = first + 2 * t + i;
      const uint32_t at = of_row + uint32_t(pair) * kPairBytes;
      sum = fmaf(t < 2 ? of_first[i] : of_first[2 + i], scale_of_stage(pair < pairs, at), sum);
      sum = fmaf(t < 2 ? of_second[i] : of_second[2 + i], scale_of_stage(pair < pairs, at + 34), sum);
    }
  }
  sum = lanes_sum<4>(sum);
  if (t == 0) partial[warp][g] = sum;
  __syncthreads();
  if (!mine) return;
  float total = 0;
#pragma unroll
  for (int w = 0; w < WARPS; ++w) total += partial[w][threadIdx.x];
  finish<Half>(call, rows, row, total, adds_c ? fmaf(call.brief.beta, of_c, bias) : bias);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, q8_0, f16) { assay::dot<false>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q8_0, f16) { assay::dot<true>(call); }
