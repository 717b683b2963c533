// attention_split's inner loops: how keys are laid out, scores of several queries at once, sums of values. What comes
// next is asked for in between, a line at a time: many at once would wait for each other, and all for them.
#pragma once
#include "q8_cache.h"
#include "simd.h"
#include "vector_maths.h"

namespace assay {

constexpr int64_t kChunk = 64;  // positions, a multiple of every kLanes
constexpr int kQuad = 4;        // values of a head that lie together in a vector, one position's beside another's
constexpr int kScored = kLanes == 16 ? 4 : 2;    // queries that meet a vector of keys in one pass: as registers allow
constexpr int kTogether = kLanes == 16 ? 8 : 4;  // … and a vector of values
constexpr int kAcross = 2;                       // … of which there are so many
#ifndef LOCALITY
#define LOCALITY 2
#endif

/// A head's size, and in whole vectors; what scores are multiplied by.
struct HeadShape {
  int64_t size, padded;
  float scale;
};

/// A stretch of the cache that is asked for, some lines at each step.
struct Ahead {
  const char *at = nullptr, *end = nullptr;
  int lines = 0;
  void step() {
    for (int i = 0; i < lines && at < end; ++i, at += 64) __builtin_prefetch(at, 0, LOCALITY);
  }
};

/// Values [i, i + kLanes) of a row of the cache, all of which are there.
template <class T>
inline Vec part_of(const T* row, int64_t i) {
  return load(row + i);
}
inline Vec part_of(const Q8Block* row, int64_t i) {
  const Q8Block& block = row[i / 32];
  return mul(load(block.values + i % 32), broadcast(&block.scale));
}
/// … zeros where there are none.
template <class T>
Vec some_of(const HeadShape& p, const T* row, bool is_there, int64_t i) {
  if (!is_there || i >= p.size) return zero();
  if constexpr (!std::is_same_v<T, Q8Block>)
    if (i + kLanes > p.size) return load_part(row + i, int(p.size - i));
  return part_of(row, i);
}

/// Where the blocks of both are exchanged: a step of turning rows into columns whose elements are quads.
template <int BLOCK, class V, size_t... LANE>
inline void exchange(V& a, V& b, std::index_sequence<LANE...>) {
  constexpr size_t kCount = sizeof...(LANE);
  constexpr auto kFrom = [](size_t lane) { return int(lane / BLOCK % 2 == 0 ? lane : lane - BLOCK + kCount); };
  const V x = a, y = b;
  a = __builtin_shufflevector(x, y, kFrom(LANE)...);
  b = __builtin_shufflevector(x, y, (kFrom(LANE) + BLOCK)...);
}
/// As many rows as there are quads in one become columns.
template <int QUAD, class V, size_t ROWS>
inline void turn_quads(V (&rows)[ROWS]) {
  constexpr auto kAll = std::make_index_sequence<ROWS * QUAD>();
  if constexpr (ROWS == 4)
    for (int r = 0; r < 2; ++r) exchange<2 * QUAD>(rows[r], rows[r + 2], kAll);
  if constexpr (ROWS >= 2)
    for (int r = 0; r < int(ROWS); r += 2) exchange<QUAD>(rows[r], rows[r + 1], kAll);
}

constexpr int kRows = kLanes / kQuad;  // positions in a vector, quads in one of a row

/// Keys as score() wants them: for kLanes positions and each quad of the head kQuad vectors, vector g the quads of
/// positions g, g + 4, g + 8 …: sums over a quad's lanes then come out in the order of positions. kWhole: no row ends
/// within a vector, and all are there.
template <bool kWhole, class T>
void lay_out_some(const HeadShape& p, const T* from, int64_t stride, int64_t count, float* to) {
  for (int64_t i = 0; i < p.padded; i += kLanes)
    for (int g = 0; g < kQuad; ++g) {
      Floats rows[kRows];
      for (int r = 0; r < kRows; ++r) {
        const T* const row = from + (g + kQuad * r) * stride;
        rows[r] = Floats(kWhole ? part_of(row, i) : some_of(p, row, g + kQuad * r < count, i));
      }
      turn_quads<kQuad>(rows);
      for (int r = 0; r < kRows; ++r) store(to + (i + r * kQuad + g) * kLanes, Vec(rows[r]));
    }
}

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__F16C__))
/// Halves are turned before they are widened: half the shuffles.
typedef int64_t QuadsOfHalves __attribute__((vector_size(sizeof(Half) * kLanes)));
template <class V>
inline auto widen_quads(V v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 32) return _mm512_cvtph_ps(__m256i(v));
#endif
  if constexpr (sizeof(V) == 16) return _mm256_cvtph_ps(__m128i(v));
}
template <>
inline void lay_out_some<true, Half>(const HeadShape& p, const Half* from, int64_t stride, int64_t, float* to) {
  for (int64_t i = 0; i < p.padded; i += kLanes)
    for (int g = 0; g < kQuad; ++g) {
      QuadsOfHalves rows[kRows];
      for (int r = 0; r < kRows; ++r) memcpy(rows + r, from + (g + kQuad * r) * stride + i, sizeof *rows);
      turn_quads<1>(rows);
      for (int r = 0; r < kRows; ++r) store(to + (i + r * kQuad + g) * kLanes, widen_quads(rows[r]));
    }
}
#endif

/// A quad in every position of a vector.
template <class V = Vec>
inline V quad_of(const float* at) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) return V(_mm512_broadcast_f32x4(_mm_loadu_ps(at)));
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(V) == 32) return V(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(at)));
#endif
  if constexpr (sizeof(V) == 16) return load(at);
}

constexpr int even_lane(size_t lane) { return int(lane / 4 * 4 + lane % 4 / 2 + (lane % 2) * kLanes); }
constexpr int low_lane(size_t lane) { return int(lane / 4 * 4 + lane % 2 + (lane % 4 / 2) * kLanes); }

/// Of four vectors the sums of each quad, side by side.
template <size_t... LANE>
inline Vec sums_of_quads(Vec v0, Vec v1, Vec v2, Vec v3, std::index_sequence<LANE...>) {
  constexpr auto kHalf = [](Vec v, Vec w) {
    const Floats a = Floats(v), b = Floats(w);
    return __builtin_shufflevector(a, b, even_lane(LANE)...) + __builtin_shufflevector(a, b, (even_lane(LANE) + 2)...);
  };
  const Floats a = kHalf(v0, v1), b = kHalf(v2, v3);
  return Vec(__builtin_shufflevector(a, b, low_lane(LANE)...) + __builtin_shufflevector(a, b, (low_lane(LANE) + 2)...));
}

struct FourKeys {
  Vec v0, v1, v2, v3;
};
/// What COUNT queries have gathered of kLanes scores: named values, which stay in registers where an array would not.
template <int COUNT>
struct Dots {
  Vec v0 = zero(), v1 = zero(), v2 = zero(), v3 = zero();
  Dots<COUNT - 1> others;
  __attribute__((always_inline)) void multiply(const FourKeys& keys, const float* query, int64_t padded) {
    const Vec part = quad_of(query);
    v0 = fma(part, keys.v0, v0), v1 = fma(part, keys.v1, v1), v2 = fma(part, keys.v2, v2), v3 = fma(part, keys.v3, v3);
    others.multiply(keys, query + padded, padded);
  }
  __attribute__((always_inline)) void write(Vec scale, float* to) const {
    store(to, mul(sums_of_quads(v0, v1, v2, v3, std::make_index_sequence<kLanes>()), scale));
    others.write(scale, to + kChunk);
  }
};
template <>
struct Dots<0> {
  void multiply(const FourKeys&, const float*, int64_t) {}
  void write(Vec, float*) const {}
};

/// Scores of COUNT queries, kChunk apart, against kLanes keys as they were laid out.
template <int COUNT>
void score(const HeadShape& p, const float* queries, const float* keys, float* to, Ahead& ahead) {
  Dots<COUNT> dots;
  Ahead next = ahead;
  for (int64_t i = 0; i < p.padded; i += kQuad, keys += kQuad * kLanes) {
    const FourKeys four{load(keys), load(keys + kLanes), load(keys + 2 * kLanes), load(keys + 3 * kLanes)};
    next.step();
    dots.multiply(four, queries + i, p.padded);
  }
  ahead = next;
  dots.write(set1(p.scale), to);
}

template <int COUNT = kScored>
void score_some(const HeadShape& p, int count, const float* queries, const float* keys, float* to, Ahead& ahead) {
  if (count == COUNT) return score<COUNT>(p, queries, keys, to, ahead);
  if constexpr (COUNT > 1) score_some<COUNT - 1>(p, count, queries, keys, to, ahead);
}

inline Vec difference(Vec a, Vec b) { return Vec(Floats(a) - Floats(b)); }

/// 2^x for x up to 0, within four units of f32; below -126 the least normal number, or 0.
template <class V>
inline V power_of_two(V x) {
  x = larger(x, set1(sizeof(V) == 64 ? -200.0f : -126.0f));
  constexpr float kRounder = 12582912.0f;  // 1.5 · 2^23: what is added to it is rounded to a whole number
  const V shifted = add(x, set1(kRounder)), n = add(shifted, set1(-kRounder)), f = difference(x, n);
  V p = set1(1.32764725e-3f);  // of least relative error for |f| <= 0.5
  for (const float c : {9.67554096e-3f, 5.55071309e-2f, 2.40221202e-1f, 6.93146944e-1f, 1.00000012f})
    p = fma(p, f, set1(c));
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) return _mm512_scalef_ps(p, n);
#endif
  return V(Ints(p) + (Ints(shifted) << 23));  // of the rounder only bits are left that the shift drops
}

/// Whether any lane is more than f.
template <class V>
inline bool any_above(V v, float f) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) == 64) return _mm512_cmp_ps_mask(v, set1(f), _CMP_GT_OQ) != 0;
#endif
#if defined(__AVX2__)
  if constexpr (sizeof(V) == 32) return _mm256_movemask_ps(_mm256_cmp_ps(v, set1(f), _CMP_GT_OQ)) != 0;
#endif
  return largest(v) > f;
}

/// sums += weights · values for COUNT queries, a few lanes of the head at a time. Rows of values lie `stride` apart.
template <int COUNT, class T>
void gather(const HeadShape& p, const float* weights, const T* values, int64_t stride, float* sums, int64_t positions,
            Ahead& ahead) {
  Ahead next = ahead;
  for (int64_t first = 0; first < p.padded; first += kAcross * kLanes) {
    const bool is_pair = first + kLanes < p.padded;
    Vec of[COUNT][kAcross];
    for (int query = 0; query < COUNT; ++query) {
      of[query][0] = load(sums + query * p.padded + first);
      of[query][1] = is_pair ? load(sums + query * p.padded + first + kLanes) : zero();
    }
    const T* row = values;
    if (is_pair) {
      for (int64_t j = 0; j < positions; ++j, row += stride) {
        const Vec v0 = part_of(row, first), v1 = part_of(row, first + kLanes);
        next.step();
        for (int query = 0; query < COUNT; ++query) {
          const Vec weight = set1(weights[query * kChunk + j]);
          of[query][0] = fma(weight, v0, of[query][0]), of[query][1] = fma(weight, v1, of[query][1]);
        }
      }
    } else {
      for (int64_t j = 0; j < positions; ++j, row += stride) {
        const Vec v0 = part_of(row, first);
        next.step();
        for (int query = 0; query < COUNT; ++query)
          of[query][0] = fma(set1(weights[query * kChunk + j]), v0, of[query][0]);
      }
    }
    for (int query = 0; query < COUNT; ++query) {
      store(sums + query * p.padded + first, of[query][0]);
      if (is_pair) store(sums + query * p.padded + first + kLanes, of[query][1]);
    }
  }
  ahead = next;
}

template <int COUNT = kTogether, class T>
void gather_some(const HeadShape& p, int count, const float* weights, const T* values, int64_t stride, float* sums,
                 int64_t rows, Ahead& ahead) {
  if (count == COUNT) return gather<COUNT>(p, weights, values, stride, sums, rows, ahead);
  if constexpr (COUNT > 1) gather_some<COUNT - 1>(p, count, weights, values, stride, sums, rows, ahead);
}

}  // namespace assay
