// q8_split_bulk: one row of F16 activations times Q8_0 weights whose values and scales lie apart: a bulk copy brings the
// values of 8 rows to shared memory; a lane takes two blocks of a row, 16 bytes at once, and makes halves of them for
// tensor cores. Each block of a row has a column of the tile to itself, A's values where they are its own: sums of
// blocks stay apart until they are scaled. A tile is 8 rows twice: of the first of two blocks, and of the second. WARPS
// warps share k, four times two blocks each, of which AHEAD have A and scales before B is there. Sums of a block's words
// are in CHAINS parts, RESIDENT blocks a multiprocessor.
#if RESIDENT
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS, RESIDENT)
#else
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#endif
#include "bulk.h"
#include "q8.h"

namespace assay {

constexpr int kRows = 8, kPairValues = 64, kPairs = 4;  // two blocks; pairs of a row that a warp has at once

template <bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stage_memory[];
  __shared__ uint64_t arrived;
  __shared__ float partial[WARPS][kRows];
  constexpr int kStep = WARPS * kPairs;  // pairs, from a warp's first to its next
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
  uint32_t scale[AHEAD][2];  // two halves each, of a pair's blocks
  const auto load_scales = [&](int begin) {
#pragma unroll
    for (int i = 0; i < AHEAD; ++i)
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const int pair = begin + i * kStep + (2 * t + j) % kPairs;
        scale[i][j] = __float_as_uint(load_if(pair < pairs, reinterpret_cast<const float*>(scales + 2 * pair)));
      }
  };
  load_scales(warp * kPairs);
  const bool mine = threadIdx.x < kRows && row < rows.n, adds_c = call.brief.adds_c;
  const float bias = addend<Half, true>(call, rows, row, mine);
  const Half* const c_row = static_cast<const Half*>(call.matmul.segment[rows.segment].c.data) + row;
  wait_for_previous();
  const float of_c = load_if(mine && adds_c, c_row);
  // As a column g of the right side this lane has A's part of pair g % 4, its first block's (g < 4) or its second's, if
  // that pair is its own. Lanes that load together take another half of a block, so that few of them meet in a bank.
  const auto half_of = [&](int i) { return 16 * (i ^ t / 2); };
  Words x[AHEAD][2][2];
  const auto load_a = [&](int begin) {
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) {
      const int pair = begin + i * kStep + t;
      const Half* const from = static_cast<const Half*>(call.brief.a) + pair * kPairValues + g / 4 * (kPairValues / 2);
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int j = 0; j < 2; ++j)
          x[i][half][j] = load_words_if<kCached>(g % 4 == t && pair < pairs, from + half_of(half) + 8 * j);
    }
  };
  load_a(warp * kPairs);
  __syncthreads();
  wait_for(barrier, 0);
  float sum = 0;
  const uint32_t of_row = stage + uint32_t(g * k);
  for (int begin = warp * kPairs; begin < pairs; begin += AHEAD * kStep) {
    if (begin > warp * kPairs) {
      load_a(begin);
      load_scales(begin);
    }
#pragma unroll
    for (int i = 0; i < AHEAD; ++i) {
      const int first = begin + i * kStep;
      if (i > 0 && first >= pairs) break;
      const uint32_t of_pair = of_row + uint32_t(min(first + t, pairs - 1)) * kPairValues;
      float c[CHAINS][4] = {};
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Words low = words_of_stage(of_pair + half_of(half)),
                    high = words_of_stage(of_pair + kPairValues / 2 + half_of(half));
#pragma unroll
        for (int word = 0; word < 4; ++word) {
          const uint32_t l = biased_bytes(low.w[word]), h = biased_bytes(high.w[word]);
          const Words& right = x[i][half][word / 2];
          multiply_tile(c[word % CHAINS], lower_halves(l), lower_halves(h), upper_halves(l), upper_halves(h),
                        right.w[word % 2 * 2], right.w[word % 2 * 2 + 1], Half{});
        }
      }
      // Columns 0 … 3 count for first blocks, 4 … 7 for second ones: this lane holds two of them.
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        float v = t < 2 ? c[0][j] : c[0][2 + j];
#pragma unroll
        for (int chain = 1; chain < CHAINS; ++chain) v += t < 2 ? c[chain][j] : c[chain][2 + j];
        float of_block[2];
        unpack(scale[i][j], Half{}, of_block);
        sum = fmaf(v, (t < 2 ? of_block[0] : of_block[1]), sum);
      }
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
