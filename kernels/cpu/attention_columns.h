// Scores where a vector has eight floats or fewer: a chunk's keys become columns once, for all queries, and as many
// sums are open as sixteen registers hold. Columns of 16 bits are widened as they are met, beside multiplications:
// apart from them that took as long again as turning them.
#pragma once
#include "attention_lanes.h"
#include "transpose.h"

namespace assay {

/// What columns are made of: of blocks their whole numbers.
template <class T>
using KeyColumn = std::conditional_t<std::is_same_v<T, Q8Block>, int8_t, T>;

/// Value `dim` of a row of the cache.
template <class T>
inline T value_of(const T* row, int64_t dim) {
  return row[dim];
}
inline int8_t value_of(const Q8Block* row, int64_t dim) { return row[dim / 32].values[dim % 32]; }

#if defined(__AVX2__)
/// How many values of kLanes keys are turned at once.
template <class T>
constexpr int64_t kAtOnce = std::is_same_v<T, float>     ? 4
                            : std::is_same_v<T, Q8Block> ? 32
                                                         : 16;

/// kAtOnce values from `dim` on of eight rows, `stride` apart.
template <class T>
inline void put_columns(const T* rows, int64_t stride, int64_t dim, T* to) {
  const uint16_t* words[8];
  for (int i = 0; i < 8; ++i) words[i] = reinterpret_cast<const uint16_t*>(rows + i * stride);
  __m256i both[8];
  transpose_eight_rows(words, dim, both);
  for (int i = 0; i < 8; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * kChunk), _mm256_castsi256_si128(both[i]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (8 + i) * kChunk), _mm256_extracti128_si256(both[i], 1));
  }
}
inline void put_columns(const float* rows, int64_t stride, int64_t dim, float* to) {
  __m256 two[4];
  for (int i = 0; i < 4; ++i)
    two[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows + i * stride + dim)),
                                  _mm_loadu_ps(rows + (4 + i) * stride + dim), 1);
  const __m256 a0 = _mm256_unpacklo_ps(two[0], two[1]), a1 = _mm256_unpackhi_ps(two[0], two[1]);
  const __m256 b0 = _mm256_unpacklo_ps(two[2], two[3]), b1 = _mm256_unpackhi_ps(two[2], two[3]);
  _mm256_storeu_ps(to, _mm256_shuffle_ps(a0, b0, 0x44)), _mm256_storeu_ps(to + kChunk, _mm256_shuffle_ps(a0, b0, 0xee));
  _mm256_storeu_ps(to + 2 * kChunk, _mm256_shuffle_ps(a1, b1, 0x44)),
      _mm256_storeu_ps(to + 3 * kChunk, _mm256_shuffle_ps(a1, b1, 0xee));
}
inline void put_columns(const Q8Block* rows, int64_t stride, int64_t dim, int8_t* to) {
  rows += dim / 32;
  __m256i two[8], four[8];  // bytes of two and of four rows by turns
  for (int i = 0; i < 8; i += 2) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[i * stride].values));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[(i + 1) * stride].values));
    two[i] = _mm256_unpacklo_epi8(a, b), two[i + 1] = _mm256_unpackhi_epi8(a, b);
  }
  for (int i = 0; i < 8; i += 4)
    for (int half = 0; half < 2; ++half) {
      four[i + 2 * half] = _mm256_unpacklo_epi16(two[i + half], two[i + 2 + half]);
      four[i + 2 * half + 1] = _mm256_unpackhi_epi16(two[i + half], two[i + 2 + half]);
    }
  const auto put = [&](__m128i columns, int8_t* at) {  // two of them
    _mm_storel_epi64(reinterpret_cast<__m128i*>(at), columns);
    _mm_storeh_pd(reinterpret_cast<double*>(at + kChunk), _mm_castsi128_pd(columns));
  };
  for (int i = 0; i < 4; ++i, to += 4 * kChunk) {
    const __m256i low = _mm256_unpacklo_epi32(four[i], four[4 + i]);
    const __m256i high = _mm256_unpackhi_epi32(four[i], four[4 + i]);
    put(_mm256_castsi256_si128(low), to), put(_mm256_castsi256_si128(high), to + 2 * kChunk);
    put(_mm256_extracti128_si256(low, 1), to + 16 * kChunk), put(_mm256_extracti128_si256(high, 1), to + 18 * kChunk);
  }
}
#endif

/// Keys [0, count) of up to kLanes, `stride` apart, become lanes of columns that lie kChunk apart; zeros behind them.
template <class T>
void turn_to_columns(const T* rows, int64_t stride, int64_t count, int64_t size, KeyColumn<T>* to) {
  int64_t dim = 0;
#if defined(__AVX2__)
  if (kLanes == 8 && count == kLanes)
    for (; dim + kAtOnce<T> <= size; dim += kAtOnce<T>) put_columns(rows, stride, dim, to + dim * kChunk);
#endif
  for (; dim < size; ++dim)
    for (int64_t key = 0; key < kLanes; ++key)
      to[dim * kChunk + key] = key < count ? value_of(rows + key * stride, dim) : KeyColumn<T>{};
}

/// Scores of COUNT of kTogether queries, whose values lie beside each other, against VECTORS vectors of keys: of
/// `count` values. `scales`, of blocks, are the keys'; what was scored before is there then, unless this is the first
/// block.
template <int COUNT, int VECTORS, class V>
void score_columns(const HeadShape& p, int64_t count, const float* queries, const V* columns, const float* scales,
                   bool is_first, float* to, Ahead& ahead) {
  Ahead next = ahead;
  Products<COUNT, VECTORS> of;
  for (int64_t dim = 0; dim < count; ++dim, columns += kChunk, queries += kTogether) {
    next.step();
    of.add([&](int v) { return load(columns + v * kLanes); }, [&](int query, int) { return set1(queries[query]); });
  }
  for (int v = 0; v < VECTORS; ++v, to += kLanes) {
    Vec scale = set1(p.scale);
    if constexpr (std::is_same_v<V, int8_t>) scale = mul(scale, load(scales + v * kLanes));
    for (int query = 0; query < COUNT; ++query) {
      float* const score = to + query * kChunk;
      store(score, is_first ? mul(of.sums[query][v], scale) : fma(of.sums[query][v], scale, load(score)));
    }
  }
  ahead = next;
}

/// … of `count` queries against so many vectors. Scales of blocks lie kChunk apart.
template <class V>
void score_columns_of(const HeadShape& p, int count, int64_t vectors, const float* queries, const V* columns,
                      const float* scales, float* to, Ahead& ahead) {
  const int64_t each = std::is_same_v<V, int8_t> ? 32 : p.size;
  for (int64_t dim = 0; dim < p.size; dim += each, scales += kChunk)
    in_queries(count, [&](auto together, int query) {
      in_vectors<together>(0, vectors, [&](auto across, int64_t first) {
        const int64_t key = first * kLanes;
        score_columns<together, across>(p, each, queries + dim * kTogether + query, columns + dim * kChunk + key,
                                        scales + key, dim == 0, to + query * kChunk + key, ahead);
      });
    });
}

}  // namespace assay
