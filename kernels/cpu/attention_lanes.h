// attention_split's inner loops: how keys are laid out, scores of several queries at once, sums of values.
#pragma once
#include "simd.h"
#include "vector_maths.h"

namespace assay {

constexpr int64_t kChunk = 64;  // positions, a multiple of every kLanes
constexpr int kQuad = 4;        // values of a head that lie together in a vector, one position's beside another's
constexpr int kScored = kLanes == 16 ? 4 : 2;    // queries that meet a vector of keys in one pass: as registers allow
constexpr int kTogether = kLanes == 16 ? 8 : 4;  // … and a vector of values

/// A head's size, and in whole vectors; what scores are multiplied by.
struct HeadShape {
  int64_t size, padded;
  float scale;
};

/// Values [i, i + kLanes) of a key; zeros where there are none.
template <class T>
Vec part_of_key(const HeadShape& p, const T* key, bool is_there, int64_t i) {
  if (!is_there || i >= p.size) return zero();
  return i + kLanes <= p.size ? load(key + i) : load_part(key + i, int(p.size - i));
}

/// Where the blocks of both are exchanged: a step of turning rows into columns whose elements are quads.
template <int BLOCK, size_t... LANE>
inline void exchange(Vec& a, Vec& b, std::index_sequence<LANE...>) {
  constexpr auto kFrom = [](size_t lane) { return int(lane / BLOCK % 2 == 0 ? lane : lane - BLOCK + kLanes); };
  const Floats x = Floats(a), y = Floats(b);
  a = Vec(__builtin_shufflevector(x, y, kFrom(LANE)...));
  b = Vec(__builtin_shufflevector(x, y, (kFrom(LANE) + BLOCK)...));
}

/// Keys as score() wants them: for kLanes positions and each quad of the head kQuad vectors, vector g the quads of
/// positions g, g + 4, g + 8 …: sums over a quad's lanes then come out in the order of positions. kWhole: no row ends
/// within a vector, and all are there.
template <bool kWhole, class T>
void lay_out_some(const HeadShape& p, const T* from, int64_t stride, int64_t count, float* to) {
  constexpr int kRows = kLanes / kQuad;  // positions in a vector, quads in one of a row
  constexpr auto kAll = std::make_index_sequence<kLanes>();
  for (int64_t i = 0; i < p.padded; i += kLanes)
    for (int g = 0; g < kQuad; ++g) {
      Vec rows[kRows];
      for (int r = 0; r < kRows; ++r) {
        const T* const row = from + (g + kQuad * r) * stride;
        rows[r] = kWhole ? load(row + i) : part_of_key(p, row, g + kQuad * r < count, i);
      }
      if constexpr (kRows == 4)
        for (int r = 0; r < 2; ++r) exchange<8>(rows[r], rows[r + 2], kAll);
      if constexpr (kRows >= 2)
        for (int r = 0; r < kRows; r += 2) exchange<4>(rows[r], rows[r + 1], kAll);
      for (int r = 0; r < kRows; ++r) store(to + (i + r * kQuad + g) * kLanes, rows[r]);
    }
}

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
inline Vec sums_of_quads(const Vec* v, std::index_sequence<LANE...>) {
  Floats half[2];
  for (int i = 0; i < 2; ++i) {
    const Floats a = Floats(v[2 * i]), b = Floats(v[2 * i + 1]);
    half[i] =
        __builtin_shufflevector(a, b, even_lane(LANE)...) + __builtin_shufflevector(a, b, (even_lane(LANE) + 2)...);
  }
  return Vec(__builtin_shufflevector(half[0], half[1], low_lane(LANE)...) +
             __builtin_shufflevector(half[0], half[1], (low_lane(LANE) + 2)...));
}

/// Scores of COUNT queries against the first `count` keys of a chunk, as they were laid out.
template <int COUNT>
void score(const HeadShape& p, const float* queries, const float* keys, int64_t count, float* to) {
  for (int64_t first = 0; first < count; first += kLanes, keys += kLanes * p.padded) {
    Vec dots[COUNT][kQuad];
    for (auto& of_query : dots)
      for (Vec& dot : of_query) dot = zero();
    for (int64_t i = 0; i < p.padded; i += kQuad) {
      Vec of_keys[kQuad];
      for (int g = 0; g < kQuad; ++g) of_keys[g] = load(keys + (i + g) * kLanes);
      for (int query = 0; query < COUNT; ++query) {
        const Vec part = quad_of(queries + query * p.padded + i);
        for (int g = 0; g < kQuad; ++g) dots[query][g] = fma(part, of_keys[g], dots[query][g]);
      }
    }
    for (int query = 0; query < COUNT; ++query)
      store(to + query * kChunk + first,
            mul(sums_of_quads(dots[query], std::make_index_sequence<kLanes>()), set1(p.scale)));
  }
}

template <int COUNT = kScored>
void score_some(const HeadShape& p, int count, const float* queries, const float* keys, int64_t seen, float* to) {
  if (count == COUNT) return score<COUNT>(p, queries, keys, seen, to);
  if constexpr (COUNT > 1) score_some<COUNT - 1>(p, count, queries, keys, seen, to);
}

/// sums += weights · values for COUNT queries, a few lanes of the head at a time. Rows of values lie `stride` apart.
template <int COUNT, class T>
void gather(const HeadShape& p, const float* weights, const T* values, int64_t stride, float* sums, int64_t positions) {
  constexpr int kAcross = 2;
  for (int64_t first = 0; first < p.padded; first += kAcross * kLanes) {
    const bool is_pair = first + kLanes < p.padded;
    Vec of[COUNT][kAcross];
    for (int query = 0; query < COUNT; ++query) {
      of[query][0] = load(sums + query * p.padded + first);
      of[query][1] = is_pair ? load(sums + query * p.padded + first + kLanes) : zero();
    }
    const T* row = values + first;
    if (is_pair) {
      for (int64_t j = 0; j < positions; ++j, row += stride) {
        const Vec v0 = load(row), v1 = load(row + kLanes);
        for (int query = 0; query < COUNT; ++query) {
          const Vec weight = set1(weights[query * kChunk + j]);
          of[query][0] = fma(weight, v0, of[query][0]), of[query][1] = fma(weight, v1, of[query][1]);
        }
      }
    } else {
      for (int64_t j = 0; j < positions; ++j, row += stride) {
        const Vec v0 = load(row);
        for (int query = 0; query < COUNT; ++query)
          of[query][0] = fma(set1(weights[query * kChunk + j]), v0, of[query][0]);
      }
    }
    for (int query = 0; query < COUNT; ++query) {
      store(sums + query * p.padded + first, of[query][0]);
      if (is_pair) store(sums + query * p.padded + first + kLanes, of[query][1]);
    }
  }
}

template <int COUNT = kTogether, class T>
void gather_some(const HeadShape& p, int count, const float* weights, const T* values, int64_t stride, float* sums,
                 int64_t rows) {
  if (count == COUNT) return gather<COUNT>(p, weights, values, stride, sums, rows);
  if constexpr (COUNT > 1) gather_some<COUNT - 1>(p, count, weights, values, stride, sums, rows);
}

}  // namespace assay
