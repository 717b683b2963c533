// Scores where a vector has sixteen floats: as many keys at a time become columns of pairs of values. What comes next
// is turned in the shadow of multiplications, where it costs little; apart from them it takes a third of the time.
// Measured on Zen 4: a vector of floats that is stored costs one or two multiply-adds.
#pragma once
#include "attention_lanes.h"

namespace assay {

#if defined(__AVX512F__)
/// Whole numbers as floats.
inline __m512 load(const int16_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
}
#endif

/// Keys lie as columns of two values of a head: kKeys keys beside each other fill a vector, and a query meets them with
/// the same two values in all places. So 16 bits are turned by three steps of 32, not by four of 16.
constexpr int kKeys = kLanes / 2;

/// What columns are made of; blocks as their whole numbers, behind which stand the scales of kLanes positions for each
/// block. kRow values of a key are turned at once.
template <class T>
struct Column {
  using Value = T;
};
template <>
struct Column<Q8Block> {
  using Value = int16_t;
};
template <class V>
constexpr int kRow = int(sizeof(Vec) / sizeof(V));

#ifndef TURNED
#define TURNED 0
#endif

/// Whether keys are turned in registers (attention_turned.h), as variants with TURNED=1 do: of thousands of positions
/// it takes 5 % less, of a hundred up to 10 % more. Queries have the order of values then. Products add up over
/// kTurnedAtOnce values of each line of a row, then over the next ones of each line.
template <class V>
constexpr bool kInRegisters = TURNED&& kLanes == 16 && (std::is_same_v<V, Half> || std::is_same_v<V, Bfloat>);
constexpr int64_t kLine = 32, kTurnedAtOnce = 8;

/// Of kRow values turned at once, the column that has value 2 · `two` and the next.
template <class V>
constexpr int column_of(int two) {
  return kInRegisters<V> ? two : two % kKeys * (kRow<V> / kLanes) + two / kKeys;
}

/// Value `dim` of a row.
template <class T>
inline const char* value_at(const T* row, int64_t dim) {
  return reinterpret_cast<const char*>(row + dim);
}
inline const char* value_at(const Q8Block* row, int64_t dim) {
  return reinterpret_cast<const char*>(row[dim / 32].values + dim % 32);
}

/// kRow values as they are; whole numbers of a block as wider ones.
template <class T, class Row>
inline Row row_at(const char* at) {
  Row row;
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, Q8Block>)
    return Row(_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))));
#endif
  memcpy(&row, at, sizeof row);
  return row;
}

/// In each kKeys places, those of a and b by turns: of their first halves, or of the second ones.
template <int HALF, class R, size_t... PLACE>
inline R interleaved(R a, R b, std::index_sequence<PLACE...>) {
  constexpr size_t kCount = sizeof...(PLACE);
  constexpr auto kFrom = [](size_t place) {
    return int(place / kKeys * kKeys + place % kKeys / 2 + HALF * kKeys / 2 + place % 2 * kCount);
  };
  return __builtin_shufflevector(a, b, kFrom(PLACE)...);
}

/// In each kKeys places of kKeys rows, rows become columns.
template <class R>
inline void turn_rows(R (&rows)[kKeys]) {
  constexpr auto kAll = std::make_index_sequence<sizeof(R) / sizeof(rows[0][0])>();
  R turned[kKeys];
  // Each step turns the number of a row and that of a place, as one string of bits, by one bit.
#pragma GCC unroll 3
  for (int step = 0; step < (kKeys == 8 ? 3 : 2); ++step) {
#pragma GCC unroll 4
    for (int r = 0; r < kKeys / 2; ++r) {
      turned[2 * r] = interleaved<0>(rows[r], rows[r + kKeys / 2], kAll);
      turned[2 * r + 1] = interleaved<1>(rows[r], rows[r + kKeys / 2], kAll);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kKeys; ++r) rows[r] = turned[r];
  }
}

/// Lanes that one operation turns as it likes. In each so many, a query's scores are half of the first kKeys keys and
/// half of the others: so neighbouring sums of both fall into order where they stand.
constexpr int kTurned = kLanes == 16 && !TURNED ? kLanes : 4;
constexpr int key_at(int place) { return place / (kTurned / 2) * kTurned + place % (kTurned / 2); }

/// kRow values of each of kKeys keys, `stride` apart, become columns.
template <class T, class V>
__attribute__((noinline)) void turn(const char* at, int64_t stride, V* to) {
  const int64_t bytes = stride * int64_t(sizeof(T));
  using Two = std::conditional_t<sizeof(V) == 2, uint32_t, uint64_t>;
  typedef Two Row __attribute__((vector_size(sizeof(Vec))));
  Row rows[kKeys];
#pragma GCC unroll 8
  for (int r = 0; r < kKeys; ++r) rows[r] = row_at<T, Row>(at + key_at(r) * bytes);
  turn_rows(rows);
  memcpy(to, rows, sizeof rows);
}

/// kLanes keys, `stride` apart, of `turned` values become columns: of the first kKeys, then of the others.
template <class T, class V>
inline void turn_keys(const T* rows, int64_t stride, int64_t turned, V* columns) {
  V* to = columns;
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t dim = 0; dim < turned; dim += kRow<V>, to += kRow<V> * kKeys)
      turn<T>(value_at(rows + half * kTurned / 2 * stride, dim), stride, to);
  if constexpr (std::is_same_v<T, Q8Block>) {
    auto* scales = reinterpret_cast<float*>(to);
    for (int64_t block = 0; block < turned / 32; ++block, scales += kLanes)
      store(scales, scales_of(rows + block, stride));
  }
}

/// Two values in all places of a vector.
inline Vec in_all_places(const float* two) {
  typedef int64_t Twos __attribute__((vector_size(sizeof(Vec))));
  int64_t bits;
  memcpy(&bits, two, sizeof bits);
  return Vec(Twos{} | bits);
}

/// Sums of neighbouring lanes of both, by turns kTurned / 2 of a and of b.
template <size_t... LANE>
inline Vec sums_of_two(Vec a, Vec b, std::index_sequence<LANE...>) {
  constexpr auto kFrom = [](size_t lane) {
    const int place = lane % kTurned;
    return int(lane) / kTurned * kTurned + place % (kTurned / 2) * 2 + (place < kTurned / 2 ? 0 : kLanes);
  };
  return Vec(__builtin_shufflevector(Floats(a), Floats(b), kFrom(LANE)...) +
             __builtin_shufflevector(Floats(a), Floats(b), (kFrom(LANE) + 1)...));
}

/// What COUNT queries have gathered of kLanes scores: named values, which stay in registers where an array would not.
template <int COUNT>
struct Dots {
  Vec v0 = zero(), v1 = zero();
  Dots<COUNT - 1> others;
  __attribute__((always_inline)) void multiply(Vec keys0, Vec keys1, const float* query) {
    const Vec two = in_all_places(query);
    v0 = fma(keys0, two, v0), v1 = fma(keys1, two, v1);
    others.multiply(keys0, keys1, query + 2);
  }
  __attribute__((always_inline)) void write(Vec scale, bool is_first, float* to) const {
    const Vec sums = sums_of_two(v0, v1, std::make_index_sequence<kLanes>());
    store(to, is_first ? mul(sums, scale) : fma(sums, scale, load(to)));
    others.write(scale, is_first, to + kChunk);
  }
};
template <>
struct Dots<0> {
  void multiply(Vec, Vec, const float*) {}
  void write(Vec, bool, float*) const {}
};

/// Scores of COUNT queries, kChunk apart, against kLanes keys. Of queries two values lie together, as columns have
/// them, kTogether of them beside each other.
template <int COUNT, class T, class V>
void score(const HeadShape& p, const float* queries, const V* keys, float* to, Ahead& ahead) {
  constexpr bool kBlocks = std::is_same_v<T, Q8Block>;
  const V* const keys1 = keys + p.turned * kKeys;
  const auto* scales = reinterpret_cast<const float*>(keys1 + p.turned * kKeys);
  Ahead next = ahead;
  int64_t at = 0;
  for (int64_t block = 0; block < p.turned; block += kBlocks ? 32 : p.turned, scales += kLanes) {
    Dots<COUNT> dots;
    for (int64_t i = 0; i < (kBlocks ? 32 : p.turned); i += 4) {
      next.step();
#pragma GCC unroll 2
      for (int d = 0; d < 2; ++d, at += kLanes, queries += 2 * kTogether)
        dots.multiply(load(keys + at), load(keys1 + at), queries);
    }
    Vec scale = set1(p.scale);
    if constexpr (kBlocks) scale = mul(scale, load(scales));
    dots.write(scale, block == 0, to);
  }
  ahead = next;
}

template <int COUNT = kTogether, class T, class V>
void score_some(const HeadShape& p, int count, const float* queries, const V* keys, float* to, Ahead& ahead,
                const T* type) {
  if (count == COUNT) return score<COUNT, T>(p, queries, keys, to, ahead);
  if constexpr (COUNT > 1) score_some<COUNT - 1>(p, count, queries, keys, to, ahead, type);
}

}  // namespace assay
