// Scores of a group of queries become weights: their largest, powers of two, sums. No step of one query waits for
// another's: a group's largest scores are one vector.
#pragma once
#include "vector_maths.h"

namespace assay {

constexpr int64_t kChunk = 64;                  // positions whose scores are weighed together
constexpr int64_t kPair = 2 * kLanes;           // positions whose scores are taken together
constexpr int kTogether = kLanes >= 8 ? 8 : 4;  // queries of a group, as registers allow

inline Vec difference(Vec a, Vec b) { return Vec(Floats(a) - Floats(b)); }

/// 2^x for x up to 0, within four units of f32; below -126 the least normal number, or 0. NaN stays NaN.
template <class V>
inline V power_of_two(V x) {
  constexpr float kRounder = 12582912.0f;  // 1.5 · 2^23: what is added to it is rounded to a whole number
  V n, shifted;
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) n = _mm512_roundscale_ps(x, 0);
#endif
  if constexpr (sizeof(V) < 64)
    x = larger(set1(-126), x), shifted = add(x, set1(kRounder)), n = add(shifted, set1(-kRounder));
  const V f = difference(x, n);
  V p = set1(1.32764725e-3f);  // of least relative error for |f| <= 0.5
  for (const float c : {9.67554096e-3f, 5.55071309e-2f, 2.40221202e-1f, 6.93146944e-1f, 1.00000012f})
    p = fma(p, f, set1(c));
#if defined(__AVX512F__)
  // A result below the normal numbers would take as long as the other queries of a group together.
  if constexpr (sizeof(V) == 64) return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, set1(-126), _CMP_NLT_UQ), p, n);
#endif
  if constexpr (sizeof(V) < 64)
    return V(Ints(p) + (Ints(shifted) << 23));  // of the rounder only bits are left that the shift drops
}

/// Whether any lane of a is more than b's.
template <class V>
inline bool any_above(V a, V b) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0;
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(V) == 32) return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)) != 0;
#endif
  return largest(difference(a, b)) > 0;
}

/// The largest lane of each of kTogether vectors, each in kLanes / kTogether neighbouring lanes.
template <size_t... LANE>
inline Vec largest_of_each(const Vec* v, std::index_sequence<LANE...>) {
  const Vec most = folded<kTogether>(v, larger);
  if constexpr (kTogether == kLanes) return most;
  return larger(most, Vec(__builtin_shufflevector(Floats(most), Floats(most), int(LANE ^ 1)...)));
}

/// The first `count` lanes; `other` in the others.
template <size_t... LANE>
inline Vec first_of(Vec v, int64_t count, float other, std::index_sequence<LANE...>) {
  const Ints lane = {int32_t(LANE)...};
  return Vec(lane < Ints(lane - lane + int32_t(count)) ? Floats(v) : Floats(set1(other)));
}
inline Vec first_of(Vec v, int64_t count, float other) {
  return first_of(v, count, other, std::make_index_sequence<kLanes>());
}

/// Scores of `count` queries, kChunk apart, of positions [0, lanes), a multiple of kPair, become weights: put(query,
/// position, w0, w1) gets those of kPair positions. Of query i those from sees[i] on weigh nothing, and their scores
/// may be anything. shrink(query, factor) brings what was gathered before to a new largest score.
template <class Shrink, class Put>
inline void weigh(float* scores, const int64_t* sees, int count, int64_t lanes, float* largest, float* weights,
                  Shrink shrink, Put put) {
  Vec most[kTogether];
  const Vec before = load(largest);
#pragma GCC unroll 8
  for (int i = 0; i < kTogether; ++i) {
    most[i] = before;  // of no query, where there is none
    if (i >= count) continue;
    float* const of = scores + i * kChunk;
    for (int64_t j = sees[i] / kLanes * kLanes; j < lanes; j += kLanes)
      store(of + j, first_of(load(of + j), sees[i] - j, -__builtin_inff()));
    Vec m = larger(load(of), load(of + kLanes));
    for (int64_t j = kPair; j < lanes; j += kPair) m = larger(m, larger(load(of + j), load(of + j + kLanes)));
    most[i] = m;
  }
  const Vec now = larger(before, largest_of_each(most, std::make_index_sequence<kLanes>()));
  store(largest, now);
  if (any_above(now, before)) {
    float shrunk[kLanes];
    // 2^0 is not 1 here: a query would be multiplied whenever a neighbour found a larger score, so that its bits
    // depended on its neighbours. Of what is 0 at first.
    const Floats factor = Floats(power_of_two(difference(before, now)));
    store(shrunk, Vec(Floats(now) > Floats(before) ? factor : Floats(set1(1))));
    for (int i = 0; i < count; ++i) {
      const float factor = shrunk[i * (kLanes / kTogether)];
      shrink(i, factor);
      store(weights + i * kLanes, mul(load(weights + i * kLanes), set1(factor)));
    }
  }
  for (int i = 0; i < count; ++i) {
    const Vec top = set1(largest[i * (kLanes / kTogether)]);
    Vec sum0 = load(weights + i * kLanes), sum1 = zero();
    float* const of = scores + i * kChunk;
    for (int64_t j = 0; j < lanes; j += kPair) {
      const Vec w0 = power_of_two(difference(load(of + j), top));
      const Vec w1 = power_of_two(difference(load(of + j + kLanes), top));
      sum0 = add(sum0, w0), sum1 = add(sum1, w1);
      put(i, j, w0, w1);
    }
    store(weights + i * kLanes, add(sum0, sum1));
  }
}

}  // namespace assay
