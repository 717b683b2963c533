// Vectors of floats: one vocabulary, a definition per instruction set. Algorithms stand in the kernels.
#pragma once
#include "precompiled.h"

namespace assay {

struct Half {
  uint16_t bits;
};
struct Bfloat {
  uint16_t bits;
};

/// Scalar conversions; those to 16 bits round to nearest even.
inline float to_float(float f) { return f; }
inline float to_float(Bfloat b) {
  const uint32_t bits = uint32_t(b.bits) << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
inline float to_float(Half h) {
#if defined(__F16C__)
  return _cvtsh_ss(h.bits);
#else
  uint32_t bits = uint32_t(h.bits & 0x7fffu) << 13;
  float f;
  memcpy(&f, &bits, 4);
  f *= 0x1p112f;  // rebiases normals and subnormals alike, exactly
  memcpy(&bits, &f, 4);
  if ((h.bits & 0x7c00u) == 0x7c00u) bits |= 0x7f800000u;
  bits |= uint32_t(h.bits & 0x8000u) << 16;
  memcpy(&f, &bits, 4);
  return f;
#endif
}
inline void from_float(float f, float* to) { *to = f; }
inline void from_float(float f, Bfloat* to) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  to->bits = uint16_t(nan ? (bits >> 16) | 0x40u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
inline void from_float(float f, Half* to) {
#if defined(__F16C__)
  to->bits = uint16_t(_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT));
#else
  uint32_t bits;
  memcpy(&bits, &f, 4);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {
    half = 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // subnormal as a half: the float adder rounds at 2^-24
    float small;
    memcpy(&small, &magnitude, 4);
    small += 0.5f;
    memcpy(&half, &small, 4);
    half -= 0x3f000000u;
  } else {
    half = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  }
  to->bits = uint16_t(sign | half);
#endif
}

// Each target defines Vec, kLanes and: zero, set1, load (float, Half, Bfloat, int8), load_part (the first `count`
// lanes, 0 in the others, nothing read behind them), broadcast (one half from any address), store, store_part, fma
// (a*b+c), add, mul, sum. WIDTH, where a kernel is built with it, is the widest vector in bits, else the
// processor's widest are used: with prefetching, 256 beat 512 on Zen 4.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && (!defined(WIDTH) || WIDTH >= 512)

using Vec = __m512;
inline constexpr int kLanes = 16;
inline __mmask16 first_lanes(int count) { return __mmask16((1u << count) - 1u); }
inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec set1(float f) { return _mm512_set1_ps(f); }
inline Vec widen_half(__m256i h) { return _mm512_cvtph_ps(h); }
inline Vec widen_bfloat(__m256i b) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16)); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline Vec load(const Half* p) { return widen_half(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline Vec load(const Bfloat* p) { return widen_bfloat(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline Vec load(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline Vec load_part(const float* p, int count) { return _mm512_maskz_loadu_ps(first_lanes(count), p); }
inline Vec load_part(const Half* p, int count) { return widen_half(_mm256_maskz_loadu_epi16(first_lanes(count), p)); }
inline Vec load_part(const Bfloat* p, int count) {
  return widen_bfloat(_mm256_maskz_loadu_epi16(first_lanes(count), p));
}
inline __m256i narrow(Vec v, const Half*) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }
inline __m256i narrow(Vec v, const Bfloat*) {
  const __m512i bits = _mm512_castps_si512(v), top = _mm512_srli_epi32(bits, 16);
  const __m512i even = _mm512_and_si512(top, _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
  const __m512i quiet = _mm512_or_si512(top, _mm512_set1_epi32(0x40));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(_mm512_srli_epi32(rounded, 16), nan, quiet));
}
inline Vec broadcast(const void* half) {
  int16_t bits;
  memcpy(&bits, half, sizeof bits);
  return _mm512_broadcastss_ps(_mm_cvtph_ps(_mm_set1_epi16(bits)));
}
inline void store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline void store_part(float* p, Vec v, int count) { _mm512_mask_storeu_ps(p, first_lanes(count), v); }
template <class T>
void store(T* p, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(v, p));
}
template <class T>
void store_part(T* p, Vec v, int count) {
  _mm256_mask_storeu_epi16(p, first_lanes(count), narrow(v, p));
}
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline float sum(Vec v) { return _mm512_reduce_add_ps(v); }

#else

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

using Vec = __m256;
inline constexpr int kLanes = 8;
inline Vec zero() { return _mm256_setzero_ps(); }
inline Vec set1(float f) { return _mm256_set1_ps(f); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline Vec load(const Half* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline Vec load(const Bfloat* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline Vec load(const int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline Vec broadcast(const void* half) {
  int16_t bits;
  memcpy(&bits, half, sizeof bits);
  return _mm256_cvtph_ps(_mm_set1_epi16(bits));
}
inline void store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline void store(Half* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline float sum(Vec v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

#else  // any architecture: the compiler's own vectors

inline constexpr int kLanes = 4;
typedef float Vec __attribute__((vector_size(16)));
typedef uint32_t Bits __attribute__((vector_size(16)));
typedef uint16_t Bits16 __attribute__((vector_size(8)));
typedef int8_t Bytes __attribute__((vector_size(4)));
template <class To, class From>
To load_as(const From* p) {
  To v;
  memcpy(&v, p, sizeof v);
  return v;
}
inline Vec zero() { return Vec{}; }
inline Vec set1(float f) { return Vec{f, f, f, f}; }
inline Vec load(const float* p) { return load_as<Vec>(p); }
inline Vec load(const Bfloat* p) { return Vec(__builtin_convertvector(load_as<Bits16>(p), Bits) << 16); }
inline Vec load(const Half* p) {
  const Bits h = __builtin_convertvector(load_as<Bits16>(p), Bits);
  const Vec rebiased = Vec((h & 0x7fffu) << 13) * 0x1p112f;
  const Bits special = Bits((h & 0x7c00u) == 0x7c00u) & 0x7f800000u;
  return Vec(Bits(rebiased) | special | ((h & 0x8000u) << 16));
}
inline Vec load(const int8_t* p) { return __builtin_convertvector(load_as<Bytes>(p), Vec); }
inline Vec broadcast(const void* half) {
  Half bits;
  memcpy(&bits, half, sizeof bits);
  return set1(to_float(bits));
}
inline void store(float* p, Vec v) { memcpy(p, &v, sizeof v); }
inline void store(Half* p, Vec v) {
  for (int i = 0; i < kLanes; ++i) from_float(v[i], p + i);
}
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec mul(Vec a, Vec b) { return a * b; }
inline float sum(Vec v) { return (v[0] + v[1]) + (v[2] + v[3]); }

#endif

// Targets without masks: parts pass through the stack, which costs little at the end of a row.
inline void store(Bfloat* p, Vec v) {
  float values[kLanes];
  store(values, v);
  for (int i = 0; i < kLanes; ++i) from_float(values[i], p + i);
}
template <class T>
Vec load_part(const T* p, int count) {
  T values[kLanes] = {};
  for (int i = 0; i < count; ++i) values[i] = p[i];
  return load(values);
}
template <class T>
void store_part(T* p, Vec v, int count) {
  float values[kLanes];
  store(values, v);
  for (int i = 0; i < count; ++i) from_float(values[i], p + i);
}

#endif

}  // namespace assay
