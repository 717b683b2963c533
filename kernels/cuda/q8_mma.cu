// q8_mma: one row of F16 activations times Q8_0 weights in blocks of 34 bytes on tensor cores, straight from memory to registers: four
// lanes share a block, eight bytes each, which lie at even addresses only and are put together from aligned words. A tile's 16 rows are
// ROWS rows times blocks along k, all STEPS tiles' loads in flight. SPLIT warps share the k of a group, a thread block has GROUPS groups.
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#include "q8.h"

namespace assay {

constexpr int kBlocks = 16 / ROWS;  // of a row in one tile

/// Eight bytes from an even address, as they come: two aligned words, and the last two bytes where the address is no multiple of four.
struct Eight {
  uint32_t w[3];
};
__device__ __forceinline__ Eight load_eight(const char* p, bool odd, bool wanted) {
  Eight v = {};
  if (wanted) {
    const uint32_t* words = reinterpret_cast<const uint32_t*>(p - (odd ? 2 : 0));
    v.w[0] = __ldg(words), v.w[1] = __ldg(words + 1);
    if (odd) v.w[2] = __ldg(reinterpret_cast<const unsigned short*>(p + 6));
  }
  return v;
}
__device__ __forceinline__ void to_halves(const Eight& v, bool odd, int part, uint32_t* halves) {
  bytes_to_halves(__funnelshift_r(v.w[part], v.w[part + 1], odd ? 16 : 0), halves[0], halves[1]);
}

template <bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call);

/// kStraight: the usual case alone, in one piece: see dot_m1.cu.
template <bool kFused, bool kStraight>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  __shared__ float partial[GROUPS][SPLIT][ROWS];
  const int lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT);
  const int in_block = int(unsigned(warp) / SPLIT), blocks = call.brief.k / 32;
  const int each = (blocks + kBlocks * SPLIT - 1) / (kBlocks * SPLIT) * kBlocks, first = part * each, last = min(blocks, first + each);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * GROUPS + in_block, ROWS);
  const int g = lane >> 2, t = lane & 3, block = int(unsigned(g) % kBlocks), low_row = int(unsigned(g) / kBlocks);
  // As a row of the tile this lane works on block `own`, as a column it holds the same block of A.
  const int own = first + block;
  const int64_t low_block = int64_t(min(rows.row + low_row, rows.n - 1)) * blocks + own;
  const int64_t high_block = int64_t(min(rows.row + low_row + ROWS / 2, rows.n - 1)) * blocks + own;
  const char *low = static_cast<const char*>(rows.b) + low_block * 34, *high = static_cast<const char*>(rows.b) + high_block * 34;
  // A block's values begin two bytes behind its start; a step is a multiple of four bytes if it is an even number of blocks.
  const bool low_odd = low_block % 2 == 0, high_odd = high_block % 2 == 0;
  static_assert(kBlocks % 2 == 0, "alignment is the same in every step");
  const Half* a = static_cast<const Half*>(call.brief.a) + own * 32 + t * 8;
  const bool scaling = t == block / 2;  // holds the sum of its own tile row

  const int row = rows.row + lane;
  const bool finishes = part == 0 && lane < ROWS && row < rows.n;
  float low_sum = 0, high_sum = 0, add = 0;
  int from = 0;
  do {
    Eight l[STEPS], h[STEPS];
    Words x[STEPS];
    uint16_t low_scale[STEPS], high_scale[STEPS];
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const int at = from + i * kBlocks;
      const bool inside = own + at < last;
      l[i] = load_eight(low + at * 34 + 2 + t * 8, low_odd, inside);
      h[i] = load_eight(high + at * 34 + 2 + t * 8, high_odd, inside);
    }
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const int at = from + i * kBlocks;
      const bool inside = own + at < last;
      low_scale[i] = inside && scaling ? *reinterpret_cast<const uint16_t*>(low + at * 34) : uint16_t(0);
      high_scale[i] = inside && scaling ? *reinterpret_cast<const uint16_t*>(high + at * 34) : uint16_t(0);
      x[i] = load_words_if<kCached>(inside, a + at * 32);
    }
    if (kStraight && __builtin_expect(each > STEPS * kBlocks || call.brief.adds_c, 0)) return dot_any<kFused>(call);
    if (from == 0) add = addend<Half, kStraight>(call, rows, row, finishes);
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      float c[4] = {};
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        uint32_t low_halves[2], high_halves[2];
        to_halves(l[i], low_odd, half, low_halves);
        to_halves(h[i], high_odd, half, high_halves);
        multiply_tile(c, low_halves[0], high_halves[0], low_halves[1], high_halves[1], x[i].w[2 * half], x[i].w[2 * half + 1], Half{});
      }
      // Tile row g counts only in its own block's column.
      low_sum = fmaf(block & 1 ? c[1] : c[0], to_float(Half{low_scale[i]}), low_sum);
      high_sum = fmaf(block & 1 ? c[3] : c[2], to_float(Half{high_scale[i]}), high_sum);
    }
    from += STEPS * kBlocks;
  } while (!kStraight && first + from < last);
  if (!scaling) low_sum = high_sum = 0;
  low_sum = lanes_sum<4 * kBlocks>(low_sum), high_sum = lanes_sum<4 * kBlocks>(high_sum);
  if (lane % (4 * kBlocks) == 0) {
    partial[in_block][part][low_row] = low_sum;
    partial[in_block][part][low_row + ROWS / 2] = high_sum;
  }
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

ASSAY_ENTRY(nt, f16, q8_0, f16) { assay::dot<false, true>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q8_0, f16) { assay::dot<true, true>(call); }
