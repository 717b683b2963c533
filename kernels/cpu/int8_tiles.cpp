// int8_tiles: NT with Q4_0 or Q8_0 weights repacked to tiles of 16 rows, so that a vector holds 16 or 8 outputs and a
// tile serves every row of A. WEIGHTS=4: Q4_0, 8: Q8_0. A is quantized to int8 blocks of 32.
#define WIDTH 256

// A second copy of each multiply(), for tiles that lie no tiles apart, is half of a compilation; no launch is faster
// for it (with Q4_0, one of 64 rows was, by 2 %).
#if WEIGHTS == 8 && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-ipa-cp-clone")
#endif

#include "int8_block.h"
#include "int8_weights.h"

namespace assay {
namespace {

// Words of a block of A: the groups, then -kOffset · the sum of its values, then its scale.
constexpr int64_t kOffsetWord = kGroups, kScaleWord = kGroups + 1, kWords = kGroups + 2;

size_t workspace_bytes(const assay_call* call, uint32_t) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  return size_t(a.dims[1] * (a.dims[2] / kBlock) * kWords) * sizeof(int32_t);
}

inline int32_t sum_of(const int32_t* eight) {
  const __m128i four = _mm_add_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(eight)),
                                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(eight + 4)));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

/// Into words that are `apart` from each other.
void quantize_block(const assay_tensor& a, int64_t row, int64_t i, int32_t* to, int64_t apart) {
  alignas(32) float space[kBlock];
  Int8Block block;
  quantize<kOffset>(widened_row(a, 0, row, i * kBlock, kBlock, space), &block);
  int32_t words[kWords] = {};
  memcpy(words, block.values, sizeof block.values);
  words[kOffsetWord] = sum_of(block.offsets);
  memcpy(words + kScaleWord, &block.scale, sizeof block.scale);
  for (int64_t word = 0; word < kWords; ++word) to[word * apart] = words[word];
}

// What a target has: a Group of weights, a vector of four values of each row; sums of its products with four values of
// A, the same in all lanes, from begin() to end().
#if defined(__AVX512VNNI__)

using Ints = __m512i;
using Floats = __m512;
using Group = __m512i;
constexpr int64_t kRowsInRegisters = 12;
inline Ints set(int32_t word) { return _mm512_set1_epi32(word); }
inline Floats set(float value) { return _mm512_set1_ps(value); }
inline Ints load(const uint8_t* at) { return _mm512_loadu_si512(at); }
inline Floats scales_at(const uint8_t* at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}
inline Ints low_nibbles(Ints both) { return _mm512_and_si512(both, _mm512_set1_epi8(15)); }
inline Ints high_nibbles(Ints both) { return low_nibbles(_mm512_srli_epi16(both, 4)); }
inline Group group(Ints weights) { return weights; }
inline Ints begin(int32_t offset) { return set(offset); }
inline Ints add_dot(Ints sum, Group weights, Ints a) { return _mm512_dpbusd_epi32(sum, weights, a); }
inline Ints end(Ints sum, int32_t) { return sum; }
inline Floats add_scaled(Floats sum, Ints dot, Floats scales, float scale) {
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(scales, set(scale)), sum);
}
inline void store_sums(float* to, Floats sums) { _mm512_storeu_ps(to, sums); }

#else

using Ints = __m256i;
using Floats = __m256;
constexpr int64_t kRowsInRegisters = WEIGHTS == 4 ? 6 : 4;
inline Ints set(int32_t word) { return _mm256_set1_epi32(word); }
inline Floats set(float value) { return _mm256_set1_ps(value); }
inline Ints load(const uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
inline Floats scales_at(const uint8_t* at) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}
inline Ints low_nibbles(Ints both) { return _mm256_and_si256(both, _mm256_set1_epi8(15)); }
inline Ints high_nibbles(Ints both) { return low_nibbles(_mm256_srli_epi16(both, 4)); }
inline Floats add_scaled(Floats sum, Ints dot, Floats scales, float scale) {
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(scales, set(scale)), sum);
}
inline void store_sums(float* to, Floats sums) { _mm256_storeu_ps(to, sums); }

#if defined(__AVXVNNI__)
using Group = __m256i;
inline Group group(Ints weights) { return weights; }
inline Ints begin(int32_t offset) { return set(offset); }
inline Ints add_dot(Ints sum, Group weights, Ints a) { return _mm256_dpbusd_avx_epi32(sum, weights, a); }
inline Ints end(Ints sum, int32_t) { return sum; }
#elif WEIGHTS == 4
// 16 products of at most 15 · 127 stay below 2^15: a block is summed in 16 bits.
using Group = __m256i;
inline Group group(Ints weights) { return weights; }
inline Ints begin(int32_t) { return _mm256_setzero_si256(); }
inline Ints add_dot(Ints sum, Group weights, Ints a) { return _mm256_add_epi16(sum, _mm256_maddubs_epi16(weights, a)); }
inline Ints end(Ints sum, int32_t offset) {
  return _mm256_add_epi32(_mm256_madd_epi16(sum, _mm256_set1_epi16(1)), set(offset));
}
#else
// |w| ≤ 128 and |a| ≤ 127: two products stay below 2^15, nothing saturates.
struct Group {
  Ints values, magnitudes;
};
inline Group group(Ints weights) {
  const Ints values = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
  return {values, _mm256_abs_epi8(values)};
}
inline Ints begin(int32_t) { return _mm256_setzero_si256(); }
inline Ints add_dot(Ints sum, const Group& weights, Ints a) {
  const Ints pairs = _mm256_maddubs_epi16(weights.magnitudes, _mm256_sign_epi8(a, weights.values));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline Ints end(Ints sum, int32_t) { return sum; }
#endif

#endif

constexpr int64_t kRowsAtOnce = int64_t(sizeof(Floats) / sizeof(float)), kParts = kTileRows / kRowsAtOnce;

struct Tiles {
  // Sums of a block, sums of all, weights and a value of A fill the registers.
  static constexpr int64_t kRows = kRowsInRegisters;

  const uint8_t* first;
  const int32_t* a;  // blocks of rows: of each block of 32 each word of all rows
  int64_t blocks, bytes = tile_bytes(blocks), steps = blocks;
  const char* at(int64_t tile) const { return reinterpret_cast<const char*>(first + tile * bytes); }

  /// What memory gives slowly is read once: a single row meets all of a tile, several rows one part after the other.
  template <int64_t M, int64_t T>
  void multiply(int64_t tile, int64_t apart, int64_t row, Ahead ahead, float* products) const {
    constexpr int64_t kPartsAtOnce = M == 1 ? kParts : 1;
    for (int64_t part = 0; part < kParts; part += kPartsAtOnce)
      multiply_parts<M, T, kPartsAtOnce>(tile, apart, row, part, part == 0 ? ahead : Ahead{}, products);
  }

 private:
  template <int64_t M, int64_t T, int64_t P>
  void multiply_parts(int64_t tile, int64_t apart, int64_t row, int64_t part, Ahead ahead, float* products) const {
    Floats sums[T][P][M] = {};
    const int32_t* words = a + row * blocks * kWords;
    for (int64_t i = 0; i < blocks; ++i, words += M * kWords) {
      if (M > 1) ahead.fetch();
      for (int64_t p = 0; p < P; ++p) {
        const uint8_t* at[T];
        Ints dots[T][M];
        for (int64_t t = 0; t < T; ++t) {
          const uint8_t* const block = first + (tile + t * apart) * bytes + i * kTileBlockBytes;
          at[t] = block + (part + p) * kRowsAtOnce * 4;
#pragma GCC unroll 16
          for (int64_t r = 0; r < M; ++r) dots[t][r] = begin(words[kOffsetWord * M + r]);
        }
#pragma GCC unroll 8
        for (int64_t g = 0; g < kGroups * WEIGHTS / 8; ++g) {
          if (PREFETCH > 0 && M == 1 && p == 0)  // a line at a time: a block's at once would wait for each other
            for (int64_t t = 0; t < T; ++t) __builtin_prefetch(at[t] + 64 * g + PREFETCH, 0, 2);
          add_groups<M, T>(at, g, words, dots);
        }
        for (int64_t t = 0; t < T; ++t) {
          // A block is half a line longer than its values: of two blocks one line more is fetched.
          if (PREFETCH > 0 && M == 1 && p == 0) __builtin_prefetch(at[t] + kValueBytes + PREFETCH, 0, 2);
          const Floats scales = scales_at(at[t] + kValueBytes - (part + p) * kRowsAtOnce * 2);
#pragma GCC unroll 16
          for (int64_t r = 0; r < M; ++r) {
            float scale;
            memcpy(&scale, words + kScaleWord * M + r, sizeof scale);
            sums[t][p][r] = add_scaled(sums[t][p][r], end(dots[t][r], words[kOffsetWord * M + r]), scales, scale);
          }
        }
      }
    }
    for (int64_t t = 0; t < T; ++t)
      for (int64_t p = 0; p < P; ++p)
#pragma GCC unroll 16
        for (int64_t r = 0; r < M; ++r)
          store_sums(products + (t * M + r) * kTileRows + (part + p) * kRowsAtOnce, sums[t][p][r]);
  }

  /// Of Q4_0 a vector holds two groups.
  template <int64_t M, int64_t T>
  void add_groups(const uint8_t* const (&at)[T], int64_t g, const int32_t* words, Ints (&dots)[T][M]) const {
    constexpr int64_t kHalves = 8 / WEIGHTS;
    Group groups[T][kHalves];
    for (int64_t t = 0; t < T; ++t) {
      const Ints weights = load(at[t] + 64 * g);
      groups[t][0] = group(WEIGHTS == 4 ? low_nibbles(weights) : weights);
      if constexpr (kHalves == 2) groups[t][1] = group(high_nibbles(weights));
    }
    for (int64_t half = 0; half < kHalves; ++half)
#pragma GCC unroll 16
      for (int64_t r = 0; r < M; ++r) {
        const Ints four = set(words[(g + half * kGroups / 2) * M + r]);
        for (int64_t t = 0; t < T; ++t) dots[t][r] = add_dot(dots[t][r], groups[t][half], four);
      }
  }
};

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != (WEIGHTS == 4 ? ASSAY_Q4_0 : ASSAY_Q8_0)) return ASSAY_UNSUPPORTED;
  const int64_t blocks = blocks_of(b);
  auto* const words = static_cast<int32_t*>(call->workspace);
  const RowBlocks of_rows(a.dims[1], Tiles::kRows);
  const Range of_a = share(a.dims[1] * blocks, 1, *thread);
  const Tiles tiles{static_cast<const uint8_t*>(call->prepared), words, blocks};
  FirstLines first = first_lines<TILES>(*call, *thread, tiles, PREFETCH);
  const int64_t lines_a_block = first.lines / (of_a.end - of_a.begin + 1) + 1;
  for (int64_t i = of_a.begin; i < of_a.end; ++i) {
    first.fetch(lines_a_block);
    const int64_t row = i / blocks, together = of_rows.of(row), begins = of_rows.begin(together);
    const int64_t rows = of_rows.size(together);
    quantize_block(a, row, i % blocks, words + (begins * blocks + i % blocks * rows) * kWords + row - begins, rows);
  }
  first.fetch(first.lines);
  if (thread->count > 1) thread->barrier(thread);
  multiply_tiles<TILES>(*call, *thread, tiles);
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("int8_tiles", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)
