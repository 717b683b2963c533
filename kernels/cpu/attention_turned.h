// Scores of keys of 16-bit values that are turned in registers, 16 keys a vector of scores (AVX-512). Nothing is stored
// in between: a vector that is stored costs Zen 4 one and a half multiply-adds, and a permutation across 128 bits one;
// interleaving within 128 bits is done in the shadow of multiply-adds, as widening is.
#pragma once
#include "attention_pairs.h"

namespace assay {

#if defined(__AVX512F__)
inline __m512 widened(__m256i bits, const Half*) { return _mm512_cvtph_ps(bits); }
inline __m512 widened(__m256i bits, const Bfloat*) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/// Eight values of each of eight keys, as four columns of two: of keys 0, 1, 4, 5, 8, 9, 12 and 13.
/// `rows` are keys 0, 4, 8 and 12.
template <class T>
__attribute__((always_inline)) inline void turn_eight(const T* const* rows, int64_t stride, __m256i* columns) {
  const auto two = [&](const T* a, const T* b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
  };
  const __m256i r0 = two(rows[0], rows[2]), r1 = two(rows[0] + stride, rows[2] + stride);
  const __m256i r2 = two(rows[1], rows[3]), r3 = two(rows[1] + stride, rows[3] + stride);
  const __m256i a0 = _mm256_unpacklo_epi32(r0, r1), a1 = _mm256_unpackhi_epi32(r0, r1);
  const __m256i b0 = _mm256_unpacklo_epi32(r2, r3), b1 = _mm256_unpackhi_epi32(r2, r3);
  columns[0] = _mm256_unpacklo_epi64(a0, b0), columns[1] = _mm256_unpackhi_epi64(a0, b0);
  columns[2] = _mm256_unpacklo_epi64(a1, b1), columns[3] = _mm256_unpackhi_epi64(a1, b1);
}

/// Scores of COUNT queries, kChunk apart, against the kLanes keys at `rows`, `stride` apart. A part of each
/// line of a row is met first, so that no line is waited for behind another.
template <int COUNT, class T>
void score_rows(const HeadShape& p, const float* queries, const T* rows, int64_t stride, float* to, Ahead& ahead) {
  Ahead next = ahead;
  Dots<COUNT> dots;
  for (int64_t part = 0; part < kLine; part += kTurnedAtOnce) {
    for (int64_t dim = part; dim < p.turned; dim += kLine) {
      const T* const at = rows + dim;
      const T* const ones[4] = {at, at + 4 * stride, at + 8 * stride, at + 12 * stride};
      const T* const others[4] = {at + 2 * stride, at + 6 * stride, at + 10 * stride, at + 14 * stride};
      __m256i columns0[4], columns1[4];
      turn_eight(ones, stride, columns0);
      turn_eight(others, stride, columns1);
      next.step(), next.step();
      const float* query = queries + dim * kTogether;
#pragma GCC unroll 4
      for (int two = 0; two < 4; ++two, query += 2 * kTogether)
        dots.multiply(widened(columns0[two], rows), widened(columns1[two], rows), query);
    }
  }
  dots.write(set1(p.scale), true, to);
  ahead = next;
}

template <int COUNT = kTogether, class T>
void score_rows_of_some(const HeadShape& p, int count, const float* queries, const T* rows, int64_t stride, float* to,
                        Ahead& ahead) {
  if (count == COUNT) return score_rows<COUNT>(p, queries, rows, stride, to, ahead);
  if constexpr (COUNT > 1) score_rows_of_some<COUNT - 1>(p, count, queries, rows, stride, to, ahead);
}
#endif

}  // namespace assay
