// q8_split_mma: one row of F16 activations times Q8_0 weights whose values and scales lie apart, on tensor cores: each lane's 16-byte
// loads of values all in flight, widened in registers. A tile's 16 rows are ROWS rows times slices of 64 along k, two blocks each; its
// columns hold A by block, zero elsewhere, so that blocks are summed apart. SPLIT warps share k, GROUPS groups a thread block.
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#include "q8.h"

namespace assay {

constexpr int kSlices = 16 / ROWS, kStep = 64 * kSlices;
static_assert(ROWS >= 4, "eight columns are at most four slices of two blocks");

template <bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call);

/// kStraight: the usual case alone, in one piece: see dot_m1.cu.
template <bool kFused, bool kStraight>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  __shared__ float partial[GROUPS][SPLIT][ROWS];
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT);
  const int in_block = int(unsigned(warp) / SPLIT);
  const int k = call.brief.k, blocks = k / 32, each = (k + kStep * SPLIT - 1) / (kStep * SPLIT) * kStep;
  const int first_k = part * each, last_k = min(k, first_k + each);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * GROUPS + in_block, ROWS);
  const int g = lane >> 2, t = lane & 3, slice = int(unsigned(g) % kSlices), low_row = int(unsigned(g) / kSlices);
  const int low = min(rows.row + low_row, rows.n - 1), high = min(rows.row + low_row + ROWS / 2, rows.n - 1);
  const int own = first_k + slice * 64 + t * 16;
  const signed char *low_at = row_at<signed char>(rows.b, uint32_t(low), rows.stride, uint32_t(own)),
                    *high_at = row_at<signed char>(rows.b, uint32_t(high), rows.stride, uint32_t(own));
  // As a column of the right side, this lane holds A's part of block g % 2 of slice g / 2; t / 2 is the block that its rows k belong to.
  const int column_k = first_k + int(unsigned(g) / 2 % kSlices) * 64 + t * 16;
  const bool counts = t / 2 == g % 2;
  const Half* a = static_cast<const Half*>(call.brief.a) + column_k;
  const void* scales = rows.scales;
  const bool scaling = t == slice;  // holds the sums of both blocks of its tile rows

  const int row = rows.row + lane;
  const bool finishes = part == 0 && lane < ROWS && row < rows.n;
  float low_sum = 0, high_sum = 0, add = 0;
  int from = 0;
  do {
    Words l[STEPS], h[STEPS];
    float scale[STEPS][4];
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const int at = from + i * kStep;
      l[i] = load_words_if<HINT>(own + at < last_k, low_at + at);
      h[i] = load_words_if<HINT>(own + at < last_k, high_at + at);
    }
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const int at = from + i * kStep, block = (first_k + slice * 64 + at) / 32;
      scale[i][0] = scaling && block * 32 < last_k ? scale_at(scales, int64_t(low) * blocks + block) : 0;
      scale[i][1] = scaling && block * 32 + 32 < last_k ? scale_at(scales, int64_t(low) * blocks + block + 1) : 0;
      scale[i][2] = scaling && block * 32 < last_k ? scale_at(scales, int64_t(high) * blocks + block) : 0;
      scale[i][3] = scaling && block * 32 + 32 < last_k ? scale_at(scales, int64_t(high) * blocks + block + 1) : 0;
    }
    if (kStraight && __builtin_expect(each > STEPS * kStep || call.brief.adds_c, 0)) return dot_any<kFused>(call);
    if (from == 0) add = addend<Half, kStraight>(call, rows, row, finishes);
    // A comes from the first-level cache, a step ahead of its use: held for all steps it would cost half of the warps.
    const auto load_a = [&](int at, Words* x) {
      const bool inside = counts && column_k + at < last_k;
      x[0] = load_words_if<kCached>(inside, a + at), x[1] = load_words_if<kCached>(inside, a + at + 8);
    };
    Words x[2][2];
    load_a(from, x[0]);
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      if (i + 1 < STEPS) load_a(from + (i + 1) * kStep, x[(i + 1) % 2]);
      float c[4] = {};
#pragma unroll
      for (int w = 0; w < 4; ++w) {
        uint32_t low_halves[2], high_halves[2];
        bytes_to_halves(l[i].w[w], low_halves[0], low_halves[1]);
        bytes_to_halves(h[i].w[w], high_halves[0], high_halves[1]);
        const Words& right = x[i % 2][w / 2];
        multiply_tile(c, low_halves[0], high_halves[0], low_halves[1], high_halves[1], right.w[w % 2 * 2], right.w[w % 2 * 2 + 1], Half{});
      }
      low_sum = fmaf(c[0], scale[i][0], fmaf(c[1], scale[i][1], low_sum));
      high_sum = fmaf(c[2], scale[i][2], fmaf(c[3], scale[i][3], high_sum));
    }
    from += STEPS * kStep;
  } while (!kStraight && first_k + from < last_k);
  if (!scaling) low_sum = high_sum = 0;
  low_sum = lanes_sum<4 * kSlices>(low_sum), high_sum = lanes_sum<4 * kSlices>(high_sum);
  if (lane % (4 * kSlices) == 0) partial[in_block][part][low_row] = low_sum, partial[in_block][part][low_row + ROWS / 2] = high_sum;
  if constexpr (SPLIT == 1)
    __syncwarp();
  else
    __syncthreads();
  if (!finishes) return;
  float sum = 0;
#pragma unroll
  for (int p = 0; p < SPLIT; ++p) sum += partial[in_block][p][lane];
  finish<Half>(call, rows, row, sum, add);
}

template <bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call) {
  dot<kFused, false>(call);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, q8_0_split, f16) { assay::dot<false, true>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q8_0_split, f16) { assay::dot<true, true>(call); }
