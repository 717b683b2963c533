// Exponentials, largest values and sums of vectors, whatever their width: by the compiler's own vector arithmetic.
#pragma once
#include <initializer_list>
#include <utility>

#include "simd.h"

namespace assay {

typedef int32_t Ints __attribute__((vector_size(sizeof(Vec))));
typedef float Floats __attribute__((vector_size(sizeof(Vec))));

inline Vec larger(Vec a, Vec b) {
  const Floats x = Floats(a), y = Floats(b);
  return Vec(x > y ? x : y);
}
inline Vec smaller(Vec a, Vec b) {
  const Floats x = Floats(a), y = Floats(b);
  return Vec(x < y ? x : y);
}
inline Vec quotient(Vec a, Vec b) { return Vec(Floats(a) / Floats(b)); }

/// The vector with its lanes turned by STEP places.
template <int STEP, size_t... LANE>
inline Vec turned(Vec v, std::index_sequence<LANE...>) {
  return Vec(__builtin_shufflevector(Floats(v), Floats(v), int((LANE + STEP) % kLanes)...));
}
template <int STEP = kLanes / 2>
inline float largest(Vec v) {
  v = larger(v, turned<STEP>(v, std::make_index_sequence<kLanes>()));
  if constexpr (STEP > 1)
    return largest<STEP / 2>(v);
  else
    return Floats(v)[0];
}

/// e^x within about a unit of f32; below -87 it is about 1e-38, above 88 about 1e38. The polynomial is Cephes' expf.
inline Vec exponential(Vec x) {
  constexpr float kLog2E = 1.44269504088896341f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRounder = 12582912.0f;  // 1.5 · 2^23: what is added to it is rounded to a whole number
  x = smaller(larger(x, set1(-87.0f)), set1(88.0f));
  const Vec shifted = fma(x, set1(kLog2E), set1(kRounder));
  const Vec n = add(shifted, set1(-kRounder));
  Vec r = fma(n, set1(-kLn2High), x);
  r = fma(n, set1(-kLn2Low), r);
  Vec p = set1(1.9875691500e-4f);
  for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = fma(p, r, set1(c));
  p = add(fma(mul(r, r), p, r), set1(1));
  const Ints power = Ints(shifted) << 23;  // of the rounder only bits are left that the shift drops
  return Vec(Ints(p) + power);
}

/// Of two vectors in blocks of BLOCK lanes: the halves of each block of a, then of b, joined by `join`.
template <int BLOCK, class Join, size_t... LANE>
inline Vec joined_halves(Vec a, Vec b, Join join, std::index_sequence<LANE...>) {
  constexpr auto kFrom = [](size_t lane) {
    const size_t place = lane % (kLanes / 2), half = BLOCK / 2;
    return int((lane < kLanes / 2 ? 0 : kLanes) + place / half * BLOCK + place % half);
  };
  return join(Vec(__builtin_shufflevector(Floats(a), Floats(b), kFrom(LANE)...)),
              Vec(__builtin_shufflevector(Floats(a), Floats(b), (kFrom(LANE) + BLOCK / 2)...)));
}
/// The lanes of each of COUNT vectors, joined to kLanes / COUNT neighbouring lanes each: a tree of halves, two
/// permutations and a `join` for two.
template <int COUNT, class Join>
inline Vec folded(const Vec* v, Join join) {
  if constexpr (COUNT == 1)
    return v[0];
  else
    return joined_halves<2 * kLanes / COUNT>(folded<COUNT / 2>(v, join), folded<COUNT / 2>(v + COUNT / 2, join), join,
                                             std::make_index_sequence<kLanes>());
}

}  // namespace assay
