// Activations as int8 blocks of 32 with a float scale, and their dot product with 32 int8 weights, per instruction set.
#pragma once
#include "simd.h"

namespace assay {

/// value = scale * values[i], scale = max|x| / 127: each value is off by at most scale / 2.
struct Int8Block {
  alignas(32) int8_t values[32];
#if defined(__AVX2__)
  int32_t offsets[8];  // -kOffset * sum of values 4i … 4i+3: takes off what weights have too much, of which dpbusd
                       // wants none negative (Q8_0: 128; Q4_0: 8)
#endif
  float scale;
};

/// 127 / most, or 0 where that could overflow: such values round to 0 and are off by less than 2^-120.
inline float inverse_scale(float most) { return most > 0x1p-120f ? 127 / most : 0; }

#if defined(__AVX2__)

template <int kOffset>
inline void quantize(const float* x, Int8Block* block) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 v[4], most = _mm256_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_loadu_ps(x + 8 * i);
    most = _mm256_max_ps(most, _mm256_andnot_ps(sign, v[i]));
  }
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  const float largest = _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  block->scale = largest / 127;
  const __m256 inverse = _mm256_set1_ps(inverse_scale(largest));
  __m256i q[4];
  for (int i = 0; i < 4; ++i) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
  // Packing works within 128-bit halves; the permutation puts the groups of four back in order.
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i values = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), values), _mm256_set1_epi16(1));
  _mm256_store_si256(reinterpret_cast<__m256i*>(block->values), values);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(block->offsets),
                      _mm256_mullo_epi32(sums, _mm256_set1_epi32(-kOffset)));
}

#else

template <int kOffset>
inline void quantize(const float* x, Int8Block* block) {
  float most = 0;
  for (int i = 0; i < 32; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    most = magnitude > most ? magnitude : most;
  }
  block->scale = most / 127;
  const float inverse = inverse_scale(most);
  // Adding 1.5 * 2^23 leaves the integer, rounded to nearest even, in the low bits.
  for (int i = 0; i < 32; ++i) {
    const float shifted = x[i] * inverse + 0x1.8p23f;
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    block->values[i] = int8_t(bits & 0xffu);
  }
}

#endif

/// sum + scale * a.scale * (w · a.values), spread over lanes in some way that sum(Vec) undoes. The integer part is
/// exact.
#if defined(__AVX2__)

#if !defined(__AVX512F__) || defined(WIDTH)  // a kernel with wider vectors quantizes alone
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
inline Vec add_int8_dot(const int8_t* w, const Int8Block& a, Vec scale, Vec sum) {
  return fma(_mm256_cvtepi32_ps(int8_dot(w, a)), mul(scale, set1(a.scale)), sum);
}
#endif

#else

inline Vec add_int8_dot(const int8_t* w, const Int8Block& a, Vec scale, Vec sum) {
  int32_t dot = 0;
  for (int i = 0; i < 32; ++i) dot += int32_t(w[i]) * int32_t(a.values[i]);
  sum[0] += scale[0] * a.scale * float(dot);
  return sum;
}

#endif

}  // namespace assay
