// Transposing 16 x 16 words: what repacking dense weights to tiles of 16 rows comes down to.
#pragma once
#include "simd.h"

namespace assay {

/// to[16 * i + r] = rows[r][at + i].
template <class Word>
inline void transpose_sixteen(const Word* const* rows, int64_t at, Word* to) {
  for (int i = 0; i < 16; ++i)
    for (int r = 0; r < 16; ++r) to[16 * i + r] = rows[r][at + i];
}

#if defined(__AVX2__)

/// Words 0 … 7 and 8 … 15 of eight rows: to[i] gets the eight words i, and in its upper half the eight words 8 + i.
inline void transpose_eight_rows(const uint16_t* const* rows, int64_t at, __m256i* to) {
  __m256i two[8], four[8];
  for (int i = 0; i < 8; i += 2) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[i] + at));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[i + 1] + at));
    two[i] = _mm256_unpacklo_epi16(a, b), two[i + 1] = _mm256_unpackhi_epi16(a, b);
  }
  for (int i = 0; i < 8; i += 4)
    for (int half = 0; half < 2; ++half) {
      four[i + 2 * half] = _mm256_unpacklo_epi32(two[i + half], two[i + 2 + half]);
      four[i + 2 * half + 1] = _mm256_unpackhi_epi32(two[i + half], two[i + 2 + half]);
    }
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = _mm256_unpacklo_epi64(four[i], four[4 + i]);
    to[2 * i + 1] = _mm256_unpackhi_epi64(four[i], four[4 + i]);
  }
}

inline void transpose_sixteen(const uint16_t* const* rows, int64_t at, uint16_t* to) {
  __m256i upper[8], lower[8];
  transpose_eight_rows(rows, at, upper);
  transpose_eight_rows(rows + 8, at, lower);
  auto* const out = reinterpret_cast<__m256i*>(to);
  for (int i = 0; i < 8; ++i) {
    _mm256_storeu_si256(out + i, _mm256_permute2x128_si256(upper[i], lower[i], 0x20));
    _mm256_storeu_si256(out + 8 + i, _mm256_permute2x128_si256(upper[i], lower[i], 0x31));
  }
}

#endif

}  // namespace assay
