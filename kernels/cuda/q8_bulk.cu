// q8_bulk: one row of F16 or F32 activations times Q8_0 weights: bulk copies bring 8 rows to shared memory, GROUPS
// times a block; a lane takes two blocks of a row, 17 words, so that few lanes meet in a bank, and makes halves of them
// for tensor cores. Each block of a row has a column of the tile to itself, A's values where they are its own: sums of
// blocks stay apart until they are scaled. A tile is 8 rows twice: of the first of two blocks, and of the second. WARPS
// warps share k, four times two blocks each, of which AHEAD have A before B is there; RESIDENT blocks a multiprocessor.
#if RESIDENT
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS, RESIDENT)
#else
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#endif
#include "bulk.h"
#include "q8.h"

namespace assay {

constexpr int kRows = 8, kPairBytes = 68, kPairValues = 64,
              kPairs = 4;  // two blocks; pairs of a row that a warp has at once
constexpr int kThreads = 32 * WARPS, kBlockRows = kRows * GROUPS;

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

/// Sums of a pair's two blocks, each in the row of the tile that is its own: in c those of this lane's columns, each of
/// A's terms apart.
template <int kTerms>
__device__ __forceinline__ void multiply_pair(uint32_t pair, const Words (&x)[kTerms][4], float (&c)[kTerms][4]) {
  uint32_t before = biased_bytes(word_of_stage(pair));
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    // The first block's values lie two bytes behind a word.
    const uint32_t next = biased_bytes(word_of_stage(pair + 4 + 4 * i)),
                   second = biased_bytes(word_of_stage(pair + 36 + 4 * i));
    const uint32_t l0 = upper_halves(before), l1 = lower_halves(next), h0 = lower_halves(second),
                   h1 = upper_halves(second);
#pragma unroll
    for (int term = 0; term < kTerms; ++term) {
      const Words& right = x[term][i / 2];
      multiply_tile(c[term], l0, h0, l1, h1, right.w[i % 2 * 2], right.w[i % 2 * 2 + 1], Half{});
    }
    before = next;
  }
}

/// A's part of the tile for a pair that is this lane's own, and what their sums are to be multiplied with: 1 but for
/// F32, which is a power of two for each block times two halves, the second 2^11 below the first: a value is off by
/// less than 2^-23 of itself, or 2^-50 of its block's largest.
template <class T>
struct Column;
template <>
struct Column<Half> {
  static constexpr int kTerms = 1;
  Words x[1][4];
  __device__ __forceinline__ void load(const void* a, int first, int pairs, char*) {
    const int g = int(threadIdx.x % 32u) / 4, t = int(threadIdx.x % 4u), pair = first + t;
    const Half* const from = static_cast<const Half*>(a) + pair * kPairValues + g / 4 * (kPairValues / 2);
#pragma unroll
    for (int i = 0; i < 4; ++i) x[0][i] = load_words_if<kCached>(g % 4 == t && pair < pairs, from + 8 * i);
  }
  static __device__ __forceinline__ float power(const char*, int, int) { return 1; }
};
template <>
struct Column<float> {
  static constexpr int kTerms = 2, kLaneValues = kPairs * kPairValues / 32;
  Words x[2][4];
  /// All of a warp's pairs by all of its lanes, through its part of shared memory: a quarter of a block a lane.
  __device__ __forceinline__ void load(const void* a, int first, int pairs, char* shared) {
    const int lane = int(threadIdx.x % 32u), g = lane / 4, t = lane % 4, pair = first + lane / 8;
    const float* const from = static_cast<const float*>(a) + first * kPairValues + lane * kLaneValues;
    float v[kLaneValues], most = 0;
#pragma unroll
    for (int i = 0; i < kLaneValues / 4; ++i) {
      const Words w = load_words_if<kCached>(pair < pairs, from + 4 * i);
#pragma unroll
      for (int j = 0; j < 4; ++j) v[4 * i + j] = __uint_as_float(w.w[j]), most = fmaxf(most, fabsf(v[4 * i + j]));
    }
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
    // The block's largest becomes 2^14 to 2^15.
    const uint32_t exponent = max(__float_as_uint(most) >> 23, 15u);
    const float factor = __uint_as_float((268u - exponent) << 23);
    uint32_t terms[2][kLaneValues / 2];
#pragma unroll
    for (int i = 0; i < kLaneValues / 2; ++i) {
      const float low = v[2 * i] * factor, high = v[2 * i + 1] * factor;
      float back[2];
      asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(terms[0][i]) : "f"(high), "f"(low));
      unpack(terms[0][i], Half{}, back);
      asm("cvt.rn.f16x2.f32 %0, %1, %2;"
          : "=r"(terms[1][i])
          : "f"((high - back[1]) * 0x1p11f), "f"((low - back[0]) * 0x1p11f));
    }
    auto* const to = reinterpret_cast<Words*>(shared) + lane * (kLaneValues / 8);
#pragma unroll
    for (int term = 0; term < 2; ++term)
#pragma unroll
      for (int i = 0; i < kLaneValues / 8; ++i)
        to[term * (kPairs * kPairValues / 8) + i] = {terms[term][4 * i], terms[term][4 * i + 1], terms[term][4 * i + 2],
                                                     terms[term][4 * i + 3]};
    if (lane % 4 == 0) powers(shared)[lane / 4] = __uint_as_float((exponent - 14u) << 23);
    __syncwarp();
    const auto* const own = reinterpret_cast<const Words*>(shared) + (2 * t + g / 4) * (kPairValues / 16);
#pragma unroll
    for (int term = 0; term < 2; ++term)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        x[term][i] = Words{};
        if (g % 4 == t) x[term][i] = own[term * (kPairs * kPairValues / 8) + i];
      }
  }
  static __device__ __forceinline__ float* powers(char* shared) {
    return reinterpret_cast<float*>(shared + 2 * 2 * kPairs * kPairValues);
  }
  /// Of block `block` of the warp's pair `pair`.
  static __device__ __forceinline__ float power(char* shared, int pair, int block) {
    return powers(shared)[2 * pair + block];
  }
};
template <class T>
constexpr int kTermBytes = 0;
template <>
constexpr int kTermBytes<float> = 4 * kPairs* kPairValues + 8 * kPairs;  // of a warp

template <class T, bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stage_memory[];
  __shared__ uint64_t arrived[GROUPS];
  __shared__ float partial[WARPS][kBlockRows];
  __shared__ __align__(16) char terms[WARPS][AHEAD][kTermBytes<T> + 16];
  const int k = call.brief.k, pairs = k / kPairValues, lane = int(threadIdx.x % 32u), warp = int(threadIdx.x / 32u);
  const uint32_t row_bytes = uint32_t(pairs) * kPairBytes, group_bytes = kRows * row_bytes;
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x), kBlockRows);
  const uint32_t stage = shared_address(call, stage_memory), barrier = shared_address(call, arrived);
  const char* const b = static_cast<const char*>(rows.b) + uint64_t(uint32_t(rows.row)) * row_bytes;
  const uint32_t lead = lead_of(b, uint32_t(rows.row) * row_bytes);
  const uint32_t bytes = lead + uint32_t(min(kBlockRows, rows.n - rows.row)) * row_bytes, whole = bytes / 16 * 16;
  if (threadIdx.x < 32) {
    // Each begins with a line and ends with one: what is its own comes with it or with the one before.
    const auto begin_of = [&](int i) {
      return i == 0 ? 0 : min(whole, (lead + uint32_t(i) * group_bytes + kLine - 1) / kLine * kLine);
    };
    const auto of_group = [&](int i) { return (i + 1 == GROUPS ? whole : begin_of(i + 1)) - begin_of(i); };
    if (threadIdx.x == 0) {
#pragma unroll
      for (int i = 0; i < GROUPS; ++i) make_barrier(barrier + 8 * i);
      show_barriers();
#pragma unroll
      for (int i = 0; i < GROUPS; ++i) expect_bytes(barrier + 8 * i, of_group(i));
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < GROUPS; ++i)
      if (of_group(i) > 0)
        copy_in_pieces<PIECE>(stage + begin_of(i), b - lead + begin_of(i), of_group(i), barrier + 8 * i);
  }
  // What is left of the last rows is less than 16 bytes.
  for (uint32_t at = whole + 4 * threadIdx.x; at < bytes; at += 4 * kThreads)
    *reinterpret_cast<uint32_t*>(stage_memory + at) = *reinterpret_cast<const uint32_t*>(b - lead + at);
  const int g = lane / 4, t = lane % 4, row = rows.row + int(threadIdx.x);
  const bool mine = threadIdx.x < kBlockRows && row < rows.n, adds_c = call.brief.adds_c;
  const float bias = addend<T, true>(call, rows, row, mine);
  const T* const c_row = static_cast<const T*>(call.matmul.segment[rows.segment].c.data) + row;
  wait_for_previous();
  const float of_c = load_if(mine && adds_c, c_row);
  // As a column g of the right side this lane has A's part of pair g % 4, its first block's (g < 4) or its second's, if
  // that pair is its own.
  constexpr int kStep = WARPS * kPairs;  // pairs, from a warp's first to its next
  Column<T> columns[AHEAD];
#pragma unroll
  for (int i = 0; i < AHEAD; ++i) columns[i].load(call.brief.a, warp * kPairs + i * kStep, pairs, terms[warp][i]);
  __syncthreads();
  float sum[GROUPS] = {};
  for (int begin = warp * kPairs; begin < pairs; begin += AHEAD * kStep) {
    if (begin > warp * kPairs)
#pragma unroll
      for (int i = 0; i < AHEAD; ++i) columns[i].load(call.brief.a, begin + i * kStep, pairs, terms[warp][i]);
#pragma unroll
    for (int group = 0; group < GROUPS; ++group) {
      if (begin == warp * kPairs) wait_for(barrier + 8 * group, 0);
      const uint32_t of_row = stage + lead + uint32_t(group * kRows + g) * row_bytes;
#pragma unroll
      for (int i = 0; i < AHEAD; ++i) {
        const int first = begin + i * kStep;
        if (i > 0 && first >= pairs) break;
        float c[Column<T>::kTerms][4] = {};
        multiply_pair(of_row + uint32_t(min(first + t, pairs - 1)) * kPairBytes, columns[i].x, c);
        // Columns 0 … 3 count for first blocks, 4 … 7 for second ones: this lane holds two of them.
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const int pair = (2 * t + j) % kPairs, block = t / 2;
          float v[Column<T>::kTerms];
#pragma unroll
          for (int term = 0; term < Column<T>::kTerms; ++term) v[term] = t < 2 ? c[term][j] : c[term][2 + j];
          if constexpr (Column<T>::kTerms == 2)
            v[0] = fmaf(v[1], 0x1p-11f, v[0]) * Column<T>::power(terms[warp][i], pair, block);
          const float scale =
              scale_of_stage(first + pair < pairs, of_row + uint32_t(first + pair) * kPairBytes + 34 * uint32_t(block));
          sum[group] = fmaf(v[0], scale, sum[group]);
        }
      }
    }
  }
#pragma unroll
  for (int group = 0; group < GROUPS; ++group) {
    sum[group] = lanes_sum<4>(sum[group]);
    if (t == 0) partial[warp][group * kRows + g] = sum[group];
  }
  __syncthreads();
  if (!mine) return;
  float total = 0;
#pragma unroll
  for (int w = 0; w < WARPS; ++w) total += partial[w][threadIdx.x];
  finish<T>(call, rows, row, total, adds_c ? fmaf(call.brief.beta, of_c, bias) : bias);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, q8_0, f16) { assay::dot<assay::Half, false>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q8_0, f16) { assay::dot<assay::Half, true>(call); }
ASSAY_ENTRY(nt, f32, q8_0, f32) { assay::dot<float, false>(call); }
ASSAY_FUSED_ENTRY(nt, f32, q8_0, f32) { assay::dot<float, true>(call); }
