// Rows of keys and values, and queries, as tiles of the tensor cores: of a cache of F16 and of one in blocks of Q8_0.
#pragma once
#include "attention_terms.h"

namespace assay {

template <class Cache>
struct Rows16;

/// Brings 16 rows of keys and values from `first` on, of those before `end`, to the second-level cache.
template <class Rows>
__device__ __forceinline__ void fetch_rows(const char* keys, const char* values, int first, int end) {
  const int row = first + int(threadIdx.x % 32u) / 2;
  if (row >= end) return;
  const int64_t at = int64_t(row) * Rows::kRowBytes + int(threadIdx.x % 2u) * (Rows::kRowBytes / 2);
  asm volatile("prefetch.global.L2 [%0];" ::"l"(keys + at));
  asm volatile("prefetch.global.L2 [%0];" ::"l"(values + at));
}

/// Keys and values of 16 positions in F16. Lane (g, t): of the keys of positions g and g+8 columns 8t … 8t+7 of each
/// 32; of the values of positions 2t, 2t+1, 2t+8, 2t+9 columns 8g … 8g+7 of each 64.
template <>
struct Rows16<OfHalf> {
  static constexpr bool kIsQ8 = false;
  static constexpr int kRowBytes = 2 * SIZE, kKeyLoads = SIZE / 32, kValueLoads = SIZE / 64;
  Words k[2][kKeyLoads], v[4][kValueLoads];

  static __device__ __forceinline__ int value_row(int i) { return int(threadIdx.x % 4u) * 2 + i % 2 + i / 2 * 8; }
  /// Positions from `end` on are not touched.
  __device__ __forceinline__ void load(const char* keys, const char* values, int first, int end) {
    const int lane = int(threadIdx.x % 32u), g = lane / 4, t = lane % 4;
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < kKeyLoads; ++j)
        k[i][j] = load_words_if<kCacheHint>(first + g + 8 * i < end,
                                            keys + int64_t(first + g + 8 * i) * kRowBytes + 64 * j + 16 * t);
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < kValueLoads; ++j)
        v[i][j] = load_words_if<kCacheHint>(first + value_row(i) < end,
                                            values + int64_t(first + value_row(i)) * kRowBytes + 128 * j + 16 * g);
  }
  /// Where in a head the four columns of a lane's column tiles 2f and 2f+1 lie.
  static __device__ __forceinline__ int column_of(int f) {
    return f / 2 * 64 + int(threadIdx.x % 32u) / 4 * 8 + f % 2 * 4;
  }

  /// `weights`: of positions g and g+8, heads 2t and 2t+1. Of `inside` positions the first are there.
  __device__ __forceinline__ void add_weighed(const float (&weights)[4], int inside,
                                              float (&weighed)[kColumnTiles][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < kValueLoads; ++j)
        if (value_row(i) >= inside) v[i][j] = {};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float b[2], rest[2];
      turn_floats(weights[2 * half], weights[2 * half + 1], b);
#pragma unroll
      for (int i = 0; i < 2; ++i) rest[i] = b[i] - __uint_as_float(__float_as_uint(b[i]) & kTf32Bits);
#pragma unroll
      for (int m = 0; m < kColumnTiles; ++m) {
        float first[2], second[2];
        unpack(v[2 * half][m / 4].w[m % 4], Half{}, first), unpack(v[2 * half + 1][m / 4].w[m % 4], Half{}, second);
        multiply_tf32(weighed[m], first, second, b);
        multiply_tf32(weighed[m], first, second, rest);
      }
    }
  }
};

/// The same in blocks of Q8_0, 34 bytes for 32 columns: lane (g, t) has columns 8t … 8t+7 of a block of keys, 4g … 4g+3
/// of one of values. A pair of blocks begins at a whole word, its first values two bytes behind one.
template <>
struct Rows16<OfQ8> {
  static constexpr bool kIsQ8 = true;
  static constexpr int kRowBytes = SIZE / 32 * 34, kBlocks = SIZE / 32;
  uint32_t k[2][kBlocks][3], v[4][kBlocks][2];
  Half key_scale[2][kBlocks], value_scale[2][kBlocks];

  static __device__ __forceinline__ int value_row(int i) { return Rows16<OfHalf>::value_row(i); }
  __device__ __forceinline__ void load(const char* keys, const char* values, int first, int end) {
    const int lane = int(threadIdx.x % 32u), g = lane / 4, t = lane % 4;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const bool is_there = first + g + 8 * i < end;
      const int64_t at = int64_t(first + g + 8 * i) * kRowBytes;
#pragma unroll
      for (int b = 0; b < kBlocks; ++b) {
        const char* const block = keys + at + b / 2 * 68 + (b % 2 ? 36 : 0) + 8 * t;
#pragma unroll
        for (int w = 0; w < 3; ++w) k[i][b][w] = w == 2 && b % 2 ? 0 : load_word_if(is_there, block + 4 * w);
        key_scale[i][b] = half_if(is_there, keys + at + 34 * b),
        value_scale[i][b] = half_if(is_there, values + at + 34 * b);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const bool is_there = first + value_row(i) < end;
#pragma unroll
      for (int b = 0; b < kBlocks; ++b) {
        const char* const block =
            values + int64_t(first + value_row(i)) * kRowBytes + b / 2 * 68 + (b % 2 ? 36 : 0) + 4 * g;
        v[i][b][0] = load_word_if(is_there, block), v[i][b][1] = b % 2 ? 0 : load_word_if(is_there, block + 4);
      }
    }
  }
  static __device__ __forceinline__ int column_of(int f) { return 32 * f + int(threadIdx.x % 32u) / 4 * 4; }

  /// The scales go into the weights: a block's are apart.
  __device__ __forceinline__ void add_weighed(const float (&weights)[4], int inside,
                                              float (&weighed)[kColumnTiles][4]) {
    const int g = int(threadIdx.x % 32u) / 4;
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      uint32_t values[4][2];
      float rest[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        bytes_to_bfloats(b % 2 ? v[i][b][0] : __funnelshift_r(v[i][b][0], v[i][b][1], 16), values[i][0], values[i][1]);
        rest[i] = weights[i] * (g + i / 2 * 8 < inside ? to_float(value_scale[i / 2][b]) : 0);
      }
#pragma unroll
      for (int term = 0; term < 3; ++term) {
        const uint32_t b0 = turned(take_term(rest[0], rest[1], Bfloat{})),
                       b1 = turned(take_term(rest[2], rest[3], Bfloat{}));
#pragma unroll
        for (int w = 0; w < 2; ++w)
          multiply_tile(weighed[2 * b + w], lower_of(values[0][w], values[1][w]), upper_of(values[0][w], values[1][w]),
                        lower_of(values[2][w], values[3][w]), upper_of(values[2][w], values[3][w]), b0, b1, Bfloat{});
      }
    }
  }

 private:
  static __device__ __forceinline__ Half half_if(bool wanted, const char* p) {
    Half v = {};
    if (wanted) asm volatile("ld.global" ASSAY_CONSTANT ".u16 %0, [%1];" : "=h"(v.bits) : "l"(p));
    return v;
  }
};

/// All heads' queries as the tile's right side: lane (g, t) has what meets the columns of its keys, of head g.
template <class Cache, class A>
struct Queries {
  static constexpr bool kIsQ8 = Rows16<Cache>::kIsQ8;
  using Term = typename Cache::Term;
  static constexpr int kTerms = kIsQ8 ? (sizeof(A) == 4 ? 3 : 2) : sizeof(A) == 4 ? 2 : 1, kSteps = SIZE / 32;
  uint32_t terms[kTerms][kSteps][4];
  float factor[2];  // of scores of heads 2t and 2t+1

  __device__ __forceinline__ void load(const A* from, int heads, float scale) {
    const int lane = int(threadIdx.x % 32u), g = lane / 4, t = lane % 4;
    float value[kSteps][8] = {};
    if (g < heads)
#pragma unroll
      for (int j = 0; j < kSteps; ++j) load_pack(from + g * SIZE + 32 * j + 8 * t, value[j]);
    float back = 1;
    if constexpr (!kIsQ8 && sizeof(A) == 4) {
      uint32_t largest = 0;
#pragma unroll
      for (int j = 0; j < kSteps; ++j)
#pragma unroll
        for (int i = 0; i < 8; ++i) largest = max(largest, __float_as_uint(value[j][i]) & 0x7fffffffu);
      largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
      largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
      const uint32_t bits =
          min(268u - min(largest >> 23, 254u), 253u);  // of the power of two that brings it below 2^15
      const float to = __uint_as_float(bits << 23);
      back = __uint_as_float((254u - bits) << 23);
#pragma unroll
      for (int j = 0; j < kSteps; ++j)
#pragma unroll
        for (int i = 0; i < 8; ++i) value[j][i] *= to;
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) factor[h] = scale * __shfl_sync(0xffffffffu, back, 8 * t + 4 * h);
#pragma unroll
    for (int term = 0; term < kTerms; ++term)
#pragma unroll
      for (int j = 0; j < kSteps; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i) terms[term][j][i] = take_term(value[j][2 * i], value[j][2 * i + 1], Term{});
  }

  /// Of positions g and g+8, heads 2t and 2t+1.
  __device__ __forceinline__ void scores(const Rows16<Cache>& rows, float (&score)[4]) const {
    if constexpr (kIsQ8) {
#pragma unroll
      for (int i = 0; i < 4; ++i) score[i] = 0;
#pragma unroll
      for (int b = 0; b < kSteps; ++b) {
        uint32_t low[4], high[4];
        float c[4] = {};
        words(rows.k[0][b], b, low), words(rows.k[1][b], b, high);
#pragma unroll
        for (int term = 0; term < kTerms; ++term) {
          multiply_tile(c, low[0], high[0], low[1], high[1], terms[term][b][0], terms[term][b][1], Term{});
          multiply_tile(c, low[2], high[2], low[3], high[3], terms[term][b][2], terms[term][b][3], Term{});
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) score[i] = fmaf(c[i], to_float(rows.key_scale[i / 2][b]), score[i]);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) score[i] *= factor[i % 2];
    } else {
      float c[kTerms][4] = {};
#pragma unroll
      for (int j = 0; j < kSteps; ++j)
#pragma unroll
        for (int term = 0; term < kTerms; ++term) {
          const Words &low = rows.k[0][j], &high = rows.k[1][j];
          multiply_tile(c[term], low.w[0], high.w[0], low.w[1], high.w[1], terms[term][j][0], terms[term][j][1],
                        Term{});
          multiply_tile(c[term], low.w[2], high.w[2], low.w[3], high.w[3], terms[term][j][2], terms[term][j][3],
                        Term{});
        }
#pragma unroll
      for (int i = 0; i < 4; ++i) score[i] = (kTerms > 1 ? c[0][i] + c[kTerms - 1][i] : c[0][i]) * factor[i % 2];
    }
  }

 private:
  static __device__ __forceinline__ void words(const uint32_t (&k)[3], int b, uint32_t (&to)[4]) {
    bytes_to_bfloats(b % 2 ? k[0] : __funnelshift_r(k[0], k[1], 16), to[0], to[1]);
    bytes_to_bfloats(b % 2 ? k[1] : __funnelshift_r(k[1], k[2], 16), to[2], to[3]);
  }
};

}  // namespace assay
