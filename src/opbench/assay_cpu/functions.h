// Functions of vectors in as few instructions as the operations' bounds allow.
#pragma once
#include "vectors.h"

namespace assay {

/// The larger of x and a number, in one instruction where there is one.
inline Vec at_least(Vec x, float least) {
#if defined(__AVX512F__) && (!defined(WIDTH) || WIDTH >= 512)
  return _mm512_max_ps(x, set1(least));
#elif defined(__AVX2__)
  return _mm256_max_ps(x, set1(least));
#else
  return larger(x, set1(least));
#endif
}

/// 1/d within two units of f32, of a normal d below 2^126.
inline Vec reciprocal(Vec d) {
#if defined(__AVX512F__) && (!defined(WIDTH) || WIDTH >= 512)
  // An estimate of 14 bits and Newton's step: a division of sixteen takes as long as ten of these instructions.
  const Vec r = _mm512_rcp14_ps(d);
  return fma(r, _mm512_fnmadd_ps(d, r, set1(1)), r);
#else
  return quotient(set1(1), d);
#endif
}

/// Exponentials of numbers up to this size, and sums of 10^12 of them, are normal numbers: no largest need be taken
/// off.
inline constexpr float kPlain = 60;

/// Whether a lane of `sizes` is beyond kPlain, or no number.
inline bool any_beyond_plain(Vec sizes) {
#if defined(__AVX512F__) && (!defined(WIDTH) || WIDTH >= 512)
  return _mm512_cmp_ps_mask(sizes, set1(kPlain), _CMP_NLE_UQ) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps(sizes, set1(kPlain), _CMP_NLE_UQ)) != 0;
#else
  for (int lane = 0; lane < kLanes; ++lane)
    if (!(Floats(sizes)[lane] <= kPlain)) return true;
  return false;
#endif
}

/// |x|
inline Vec size_of(Vec x) { return Vec(Ints(x) & std::numeric_limits<int32_t>::max()); }
/// -|x|
inline Vec negated_size(Vec x) { return Vec(Ints(x) | std::numeric_limits<int32_t>::min()); }

/// e^x of |x| up to 87, within 2 + |x| / 20 units of f32. The polynomial is the one of degree 6 whose largest relative
/// error on ±0.3472 is least, with 1 + r fixed: 3e-9.
inline Vec exponential_within(Vec x) {
  constexpr float kLog2E = 1.44269504088896341f, kLn2 = 0.693147180559945f;
  constexpr float kRounder = 12582912.0f;  // 1.5 · 2^23: what is added to it is rounded to a whole number
  const Vec shifted = fma(x, set1(kLog2E), set1(kRounder));
  const Vec r = fma(add(shifted, set1(-kRounder)), set1(-kLn2), x);
  Vec p = set1(1.3814348913e-3f);
  for (const float c : {8.3688374567e-3f, 4.1668399756e-2f, 1.6666519637e-1f, 4.9999993381e-1f, 1.0f, 1.0f})
    p = fma(p, r, set1(c));
  const Ints power = Ints(shifted) << 23;  // of the rounder only bits are left that the shift drops
  return Vec(Ints(p) + power);
}

/// Likewise of x up to 0; below -87 it is about 1e-38.
inline Vec exponential_below(Vec x) { return exponential_within(at_least(x, -87.0f)); }

}  // namespace assay
