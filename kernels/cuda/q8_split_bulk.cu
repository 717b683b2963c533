// q8_split_bulk: one row of F16 activations times Q8_0 weights whose values and scales lie apart: a bulk copy brings the
// values of 8 rows to shared memory; a lane takes two blocks of a row, 16 bytes at once, and makes halves of them for
// tensor cores. Each block of a row has a column of the tile to itself, A's values where they are its own: sums of
// blocks stay apart until they are scaled. A tile is 8 rows twice, of other blocks. WARPS warps share k, RESIDENT
// blocks a multiprocessor.
#if RESIDENT
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS, RESIDENT)
#else
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#endif
#include "bulk.h"
#include "q8.h"

namespace assay {

constexpr int kRows = 8, kPairValues = 64, kPairs = 8;  // two blocks; pairs of a row that a warp has at once

/// Which 16 of a pair's values lane t of four takes as its I-th, so that few of the lanes that load together meet in a
/// bank. The first two are of one block, the last two of the other.
__device__ __forceinline__ int place_of(int t, int i) { return 2 * (i / 2 ^ t / 2) + (i % 2 ^ t % 2); }

template <bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stage_memory[];
  __shared__ uint64_t arrived;
  __shared__ float partial[WARPS][kRows];
  const int k = call.brief.k, pairs = k / kPairValues, lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x), kRows);
  const uint32_t stage = shared_address(call, stage_memory), barrier = shared_address(call, &arrived);
  if (threadIdx.x == 0) {
    make_barrier(barrier);
    show_barriers();
    copy_ahead(stage, row_at<signed char>(rows.b, uint32_t(rows.row), uint32_t(k), 0),
               uint32_t(min(kRows, rows.n - rows.row) * k), barrier);
  }
  const int g = lane / 4, t = lane % 4, row = rows.row + int(threadIdx.x);
  const Half* const scales =
      static_cast<const Half*>(rows.scales) + int64_t(min(rows.row + g, rows.n - 1)) * (2 * pairs);
  uint32_t scale[2];  // two halves each, of a pair's blocks
  const auto load_scales = [&](int first) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int pair = first + 2 * t + i;
      scale[i] = __float_as_uint(load_if(pair < pairs, reinterpret_cast<const float*>(scales + 2 * pair)));
    }
  };
  load_scales(warp * kPairs);
  const bool mine = threadIdx.x < kRows && row < rows.n, adds_c = call.brief.adds_c;
  const float bias = addend<Half, true>(call, rows, row, mine);
  const Half* const c_row = static_cast<const Half*>(call.matmul.segment[rows.segment].c.data) + row;
  wait_for_previous();
  const float of_c = load_if(mine && adds_c, c_row);
  // As a column g of the right side this lane has A's part of pair g % 4 of the low (g < 4) or the high four pairs, if
  // that pair is its own.
  Words x[4][2];
  const auto load_a = [&](int first) {
    const int pair = first + t + g / 4 * 4;
    const Half* const from = static_cast<const Half*>(call.brief.a) + pair * kPairValues;
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        x[i][half] = load_words_if<kCached>(g % 4 == t && pair < pairs, from + 16 * place_of(t, i) + 8 * half);
  };
  load_a(warp * kPairs);
  __syncthreads();
  wait_for(barrier, 0);
  float sum = 0;
  for (int first = warp * kPairs; first < pairs; first += WARPS * kPairs) {
    if (first > warp * kPairs) load_a(first), load_scales(first);
    const uint32_t of_row = stage + uint32_t(g * k);
    const uint32_t low = of_row + uint32_t(min(first + t, pairs - 1)) * kPairValues,
                   high = of_row + uint32_t(min(first + 4 + t, pairs - 1)) * kPairValues;
    float c[2][4] = {};  // the two blocks of each pair: which is which differs by lane
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const Words of_low = words_of_stage(low + 16 * place_of(t, i)),
                  of_high = words_of_stage(high + 16 * place_of(t, i));
#pragma unroll
      for (int word = 0; word < 4; ++word) {
        uint32_t l[2], h[2];
        bytes_to_halves(of_low.w[word], l[0], l[1]);
        bytes_to_halves(of_high.w[word], h[0], h[1]);
        const Words& right = x[i][word / 2];
        multiply_tile(c[i / 2], l[0], h[0], l[1], h[1], right.w[word % 2 * 2], right.w[word % 2 * 2 + 1], Half{});
      }
    }
    // Columns 0 … 3 count for the low rows of the tile, 4 … 7 for the high ones: this lane holds two of them, 2t and
    // 2t + 1, the pairs of lanes 2t % 4 and the next. Lanes 2 and 3 take the second block first.
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float before = t < 2 ? c[0][i] : c[0][2 + i], after = t < 2 ? c[1][i] : c[1][2 + i];
      float of_block[2];
      unpack(scale[i], Half{}, of_block);
      const bool turned = t % 2 == 1;
      sum = fmaf(before, of_block[turned ? 1 : 0], sum);
      sum = fmaf(after, of_block[turned ? 0 : 1], sum);
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

ASSAY_ENTRY(nt, f16, q8_0_split, f16) { assay::dot<false>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q8_0_split, f16) { assay::dot<true>(call); }
