// Activations as int8 blocks of 32 with a float scale, and their dot product with 32 int8 weights, per instruction set.
#pragma once
#include "simd.h"

namespace assay {

/// value = scale * values[i], scale = max|x| / 127: each value is off by at most scale / 2.
struct Int8Block {
  alignas(32) int8_t values[32];
  int32_t offsets[8];  // -128 * sum of values 4i … 4i+3: undoes the 128 added to the weights (dpbusd wants one side unsigned)
  float scale;
};

inline void quantize(const float* x, Int8Block* block) {
  float most = 0;
  for (int i = 0; i < 32; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    most = magnitude > most ? magnitude : most;
  }
  block->scale = most / 127;
  const float inverse = most > 0x1p-120f ? 127 / most : 0;  // below, 127 / most could overflow
  // Adding 1.5 * 2^23 leaves the rounded integer (to nearest even) in the low bits.
  for (int i = 0; i < 32; ++i) {
    const float shifted = x[i] * inverse + 0x1.8p23f;
    int32_t bits;
    memcpy(&bits, &shifted, 4);
    block->values[i] = int8_t(bits & 0xff);
  }
  for (int i = 0; i < 8; ++i) {
    int32_t sum = 0;
    for (int j = 0; j < 4; ++j) sum += block->values[4 * i + j];
    block->offsets[i] = -128 * sum;
  }
}

/// sum + scale * (w · block.values), spread over lanes in some way that sum(Vec) undoes. The integer part is exact.
#if defined(__AVX2__)

inline __m256i int8_dot(const int8_t* w, const Int8Block& a) {
  const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a.values));
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
  const __m256i offsets = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a.offsets));
  return _mm256_dpbusd_epi32(offsets, _mm256_xor_si256(weights, _mm256_set1_epi8(-128)), values);
#else
  // |w| ≤ 128 and |a| ≤ 127: two products stay below 2^15, nothing saturates.
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(values, weights));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#endif
}

static_assert(kLanes == 8, "a block is 256 bits: define WIDTH 256");
inline Vec add_int8_dot(const int8_t* w, const Int8Block& a, float scale, Vec sum) {
  return fma(_mm256_cvtepi32_ps(int8_dot(w, a)), set1(scale), sum);
}

#else

inline Vec add_int8_dot(const int8_t* w, const Int8Block& a, float scale, Vec sum) {
  int32_t dot = 0;
  for (int i = 0; i < 32; ++i) dot += int32_t(w[i]) * int32_t(a.values[i]);
  sum[0] += scale * float(dot);
  return sum;
}

#endif

}  // namespace assay
