// q4_mma: one row of F16 activations times Q4_0 weights in blocks of 18 bytes on tensor cores, straight from memory to registers. Two
// blocks are nine aligned words: four lanes share a block, a word each, and one of them takes the words in which scales stand. A tile's
// 16 rows are two rows times eight blocks, all STEPS tiles' loads in flight. A stays in registers for PASSES pairs of rows, the next pair's
// weights on their way. SPLIT warps share the k of a pair, a thread block has GROUPS pairs at once.
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#include "q8.h"

namespace assay {

constexpr int kRows = 2, kBlocks = 8, kPairBytes = 36, kStepBytes = kBlocks / 2 * kPairBytes;

__device__ __forceinline__ uint32_t load_word_if(bool wanted, const void* p) {
  uint32_t v;
  asm volatile("{.reg .pred p; setp.ne.u32 p, %2, 0; mov.u32 %0, 0; @p ld.global.nc.u32 %0, [%1];}"
               : "=r"(v)
               : "l"(p), "r"(uint32_t(wanted)));
  return v;
}

/// A lane's place: block g of eight, and which four of its sixteen bytes. A pair's nine words are
/// [scale, 0 1] [2 … 5] [6 … 9] [10 … 13] [14 15, scale] of the even block and [0 … 3] … [12 … 15] of the odd one.
struct Lane {
  int g, t;
  bool odd, has_ends;   // has_ends: holds bytes 0 1 14 15 of the even block, and both scales
  int own, ends, value; // bytes into a step's memory; the first of its values; of has_ends the third is value 14
  uint32_t pick;        // how its four bytes come out of both words
  __device__ __forceinline__ Lane() {
    const int lane = int(threadIdx.x % 32u);
    g = lane >> 2, t = lane & 3, odd = g & 1, has_ends = !odd && t == 3;
    own = g / 2 * kPairBytes + (odd ? 20 + 4 * t : has_ends ? 0 : 4 + 4 * t);
    ends = g / 2 * kPairBytes + 16;
    value = odd ? 4 * t : has_ends ? 0 : 2 + 4 * t;
    pick = has_ends ? 0x5432 : 0x3210;
  }
};

/// Of one row and step, as it comes.
struct Part {
  uint32_t own, ends;
};
__device__ __forceinline__ Part load_part(const Lane& lane, const char* step, bool inside) {
  return {load_word_if(inside, step + lane.own), load_word_if(inside && lane.has_ends, step + lane.ends)};
}

/// Steps less 8 as halves, exactly: a nibble below the exponent of 1024 is 1024 + u, one four bits higher 1024 + 16 u. Pairs are bytes 0 2
/// and 1 3: low nibbles in [0], [1], high ones in [2], [3].
__device__ __forceinline__ void to_halves(uint32_t bytes, uint32_t* halves) {
  const uint32_t others = bytes >> 8;
  halves[0] = (bytes & 0x000f000fu) | 0x64006400u, halves[1] = (others & 0x000f000fu) | 0x64006400u;
  halves[2] = (bytes & 0x00f000f0u) | 0x64006400u, halves[3] = (others & 0x00f000f0u) | 0x64006400u;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    asm("sub.rn.f16x2 %0, %0, %1;" : "+r"(halves[i]) : "r"(0x64086408u));                               // 1032
    asm("fma.rn.f16x2 %0, %0, %1, %2;" : "+r"(halves[2 + i]) : "r"(0x2c002c00u), "r"(0xd480d480u));  // 1/16, -72
  }
}

/// The lane's values of A in the order of its weights.
__device__ __forceinline__ void load_activations(const Lane& lane, const Half* block, bool inside, uint32_t* x) {
  const int third = lane.has_ends ? 14 : lane.value + 2;
#pragma unroll
  for (int high = 0; high < 2; ++high) {
    const uint32_t first = load_word_if(inside, block + 16 * high + lane.value),
                   second = load_word_if(inside, block + 16 * high + third);
    x[2 * high] = __byte_perm(first, second, 0x5410), x[2 * high + 1] = __byte_perm(first, second, 0x7632);
  }
}

/// Both rows' sums of a step's blocks: of each block in the lane that has its column.
__device__ __forceinline__ void add_step(const Lane& lane, const Part& low, const Part& high, const uint32_t* x, float& low_sum, float& high_sum) {
  uint32_t l[4], h[4];
  to_halves(__byte_perm(low.own, low.ends, lane.pick), l);
  to_halves(__byte_perm(high.own, high.ends, lane.pick), h);
  float c[4] = {};
  multiply_tile(c, l[0], h[0], l[1], h[1], x[0], x[1], Half{});
  multiply_tile(c, l[2], h[2], l[3], h[3], x[2], x[3], Half{});
  const int source = int(threadIdx.x & 24u) | 3;
  const uint32_t low_scales = __shfl_sync(0xffffffffu, __byte_perm(low.own, low.ends, 0x7610), source),
                 high_scales = __shfl_sync(0xffffffffu, __byte_perm(high.own, high.ends, 0x7610), source);
  low_sum = fmaf(lane.odd ? c[1] : c[0], to_float(Half{uint16_t(lane.odd ? low_scales >> 16 : low_scales)}), low_sum);
  high_sum = fmaf(lane.odd ? c[3] : c[2], to_float(Half{uint16_t(lane.odd ? high_scales >> 16 : high_scales)}), high_sum);
}

/// The low row's sum in lanes 0 to 15, the high row's in the others.
__device__ __forceinline__ float reduce(const Lane& lane, float low_sum, float high_sum) {
  if (lane.t != lane.g / 2) low_sum = high_sum = 0;
  const bool upper = lane.g >= 4;
  return lanes_sum<16>((upper ? high_sum : low_sum) + __shfl_xor_sync(0xffffffffu, upper ? low_sum : high_sum, 16));
}

template <bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call);

/// kStraight: the usual case alone, in one piece: see dot_m1.cu.
template <bool kFused, bool kStraight>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  __shared__ float partial[PASSES][GROUPS][SPLIT][kRows];
  const Lane lane;
  const int warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT), in_block = int(unsigned(warp) / SPLIT);
  const int blocks = call.brief.k / 32, each = (blocks + kBlocks * SPLIT - 1) / (kBlocks * SPLIT) * kBlocks;
  const int first = part * each, last = min(blocks, first + each), own_row = int(threadIdx.x % 32u) / 16;
  const Half* a = static_cast<const Half*>(call.brief.a) + (first + lane.g) * 32;
  const auto inside = [&](int step) { return first + step * kBlocks + lane.g < last; };
  const auto rows_at = [&](int pass) { return rows_of<kFused>(call, (int(blockIdx.x) * PASSES + pass) * GROUPS + in_block, kRows); };
  const auto row_begin = [&](const Rows& rows, int row) {
    return row_at<char>(rows.b, uint32_t(min(rows.row + row, rows.n - 1)), rows.stride * 18, uint32_t(first) * 18);
  };
  const auto load = [&](const Rows& rows, int from, Part (*to)[kRows]) {
    const char *low = row_begin(rows, 0) + from * kStepBytes, *high = row_begin(rows, 1) + from * kStepBytes;
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      to[i][0] = load_part(lane, low + i * kStepBytes, inside(from + i));
      to[i][1] = load_part(lane, high + i * kStepBytes, inside(from + i));
    }
  };

  Part parts[2][STEPS][kRows];
  uint32_t x[STEPS][4];
  load(rows_at(0), 0, parts[0]);
  const auto load_a = [&](int from) {
#pragma unroll
    for (int i = 0; i < STEPS; ++i) load_activations(lane, a + (from + i) * kBlocks * 32, inside(from + i), x[i]);
  };
  load_a(0);
  if (kStraight && __builtin_expect(each > STEPS * kBlocks || call.brief.adds_c, 0)) return dot_any<kFused>(call);
#pragma unroll
  for (int pass = 0; pass < PASSES; ++pass) {
    const Rows rows = rows_at(pass);
    const int row = rows.row + own_row;
    const bool finishes = part == 0 && threadIdx.x % 16 == 0 && row < rows.n;
    if (kStraight && pass + 1 < PASSES) load(rows_at(pass + 1), 0, parts[(pass + 1) % 2]);
    const float add = SPLIT == 1 ? addend<Half, kStraight>(call, rows, row, finishes) : 0;
    float low_sum = 0, high_sum = 0;
    int from = 0;
    do {
      if (!kStraight) load(rows, from, parts[pass % 2]), load_a(from);
#pragma unroll
      for (int i = 0; i < STEPS; ++i) add_step(lane, parts[pass % 2][i][0], parts[pass % 2][i][1], x[i], low_sum, high_sum);
      from += STEPS;
    } while (!kStraight && first + from * kBlocks < last);
    const float sum = reduce(lane, low_sum, high_sum);
    if constexpr (SPLIT == 1) {
      if (finishes) finish<Half>(call, rows, row, sum, add);
    } else if (threadIdx.x % 16 == 0) {
      partial[pass][in_block][part][own_row] = sum;
    }
  }
  if constexpr (SPLIT > 1) {
    __syncthreads();
    const int pass = int(threadIdx.x % 32u) / kRows, own = int(threadIdx.x % kRows);
    if (part != 0 || pass >= PASSES) return;
    const Rows rows = rows_at(pass);
    const int row = rows.row + own;
    if (row >= rows.n) return;
    float sum = 0;
#pragma unroll
    for (int p = 0; p < SPLIT; ++p) sum += partial[pass][in_block][p][own];
    finish<Half>(call, rows, row, sum, addend<Half, kStraight>(call, rows, row, true));
  }
}

template <bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call) {
  dot<kFused, false>(call);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, q4_0, f16) { assay::dot<false, true>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q4_0, f16) { assay::dot<true, true>(call); }
