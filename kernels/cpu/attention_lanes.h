// attention_split's inner loops: keys turned into columns, scores of several queries at once, sums of values. What
// comes next is asked for and turned in between: in the shadow of multiplications both cost little, apart from them a
// third of the time. Measured on Zen 4: a factor that an instruction reads from memory itself is free, one that is
// broadcast first costs a cycle where values are widened; a vector of floats that is stored costs one or two.
#pragma once
#include "attention_weights.h"
#include "q8_cache.h"

namespace assay {

/// Whether a chunk's keys become columns of floats (attention_columns.h); else 16 keys at a time, as columns of pairs.
constexpr bool kFloatColumns = kLanes < 16;

/// Vectors that COUNT queries meet at once: sixteen registers hold twelve sums beside what they are made of, and two
/// multiply-adds a cycle that take four each need eight.
template <int COUNT>
constexpr int kAcross = kLanes == 16 || COUNT > 4 ? 2 : COUNT == 4 ? 3 : COUNT > 1 ? 4 : 8;
constexpr int kMostAtOnce = kLanes == 16 ? 8 : 6;  // queries

/// f(vectors, first) for all vectors of [first, end), kAcross of them at once; `vectors` is a constant.
template <int COUNT, int VECTORS = kAcross<COUNT>, class F>
__attribute__((always_inline)) inline void in_vectors(int64_t first, int64_t end, F f) {
  const auto is_more = [&] { return end - first >= VECTORS && (VECTORS != 3 || end - first != 4); };  // 2 and 2
  for (; is_more(); first += VECTORS) f(std::integral_constant<int, VECTORS>{}, first);
  if constexpr (VECTORS > 1)
    if (first < end) in_vectors<COUNT, VECTORS == 3 ? 2 : VECTORS / 2>(first, end, f);
}

/// f(count), a constant.
template <int COUNT = kMostAtOnce, class F>
__attribute__((always_inline)) inline void with_count(int count, F f) {
  if (count == COUNT) return f(std::integral_constant<int, COUNT>{});
  if constexpr (COUNT > 1) with_count<COUNT - 1>(count, f);
}

/// f(count, first) for all of `count` queries, as many at once as registers allow.
template <class F>
__attribute__((always_inline)) inline void in_queries(int count, F f) {
  const int first = count > kMostAtOnce ? 4 : 0;
  if (first > 0) f(std::integral_constant<int, 4>{}, 0);
  with_count(count - first, [&](auto rest) { f(rest, first); });
}

/// Sums of COUNT queries in VECTORS vectors. What there is less of waits in registers for the other.
template <int COUNT, int VECTORS>
struct Products {
  Vec sums[COUNT][VECTORS] = {};
  template <class Row, class Factor>
  __attribute__((always_inline)) void add(Row row, Factor factor) {
    if constexpr (COUNT < VECTORS) {
      Vec factors[COUNT];
      for (int query = 0; query < COUNT; ++query) factors[query] = factor(query);
      for (int v = 0; v < VECTORS; ++v) {
        const Vec values = row(v);
        for (int query = 0; query < COUNT; ++query) sums[query][v] = fma(values, factors[query], sums[query][v]);
      }
    } else {
      Vec values[VECTORS];
      for (int v = 0; v < VECTORS; ++v) values[v] = row(v);
      for (int query = 0; query < COUNT; ++query) {
        const Vec of = factor(query);
        for (int v = 0; v < VECTORS; ++v) sums[query][v] = fma(values[v], of, sums[query][v]);
      }
    }
  }
};

/// A head's size, in whole vectors, and in whole columns of keys; what scores are multiplied by.
struct HeadShape {
  int64_t size, padded, turned;
  float scale;
};

/// A stretch of the cache that is asked for, some lines at each step: many at once would wait for each other, and all
/// for them. Into the second level: the first is full of what is in work: 88 us on Zen 4, 92 into the first.
struct Ahead {
  const char *at = nullptr, *end = nullptr;
  int lines = 0;
  void step() {
    for (int i = 0; i < lines && at < end; ++i, at += 64) __builtin_prefetch(at, 0, 2);
  }
};

/// A row of a head of the cache.
template <class T>
const T* cached(const assay_tensor& t, int64_t head, int64_t row) {
  return static_cast<const T*>(t.data) + head * t.strides[0] + row * t.strides[1];
}

/// Values [i, i + kLanes) of a row of the cache, all of which are there; of blocks their whole numbers.
template <class T>
inline Vec part_of(const T* row, int64_t i) {
  return load(row + i);
}
inline Vec part_of(const Q8Block* row, int64_t i) { return load(row[i / 32].values + i % 32); }

/// Scales of the blocks at kLanes rows, `stride` apart. They meet in a register: what is stored in halves and loaded
/// whole waits until all of it is in the cache. Four rows are reached from one address: sixteen find no registers.
template <size_t... LANE>
inline Vec scales_of(const Q8Block* block, int64_t stride, std::index_sequence<LANE...>) {
  typedef uint16_t Halves __attribute__((vector_size(2 * kLanes)));
  const Q8Block* fours[kLanes / 4];
  for (int i = 0; i < kLanes / 4; ++i, block += 4 * stride) fours[i] = block;
  const int64_t three = 3 * stride;
  const auto at = [&](size_t lane) {
    const Q8Block* const four = fours[lane / 4];
    return (lane % 4 == 3 ? four + three : four + int64_t(lane % 4) * stride)->scale.bits;
  };
  const Halves halves = {at(LANE)...};
  Half of[kLanes];
  memcpy(of, &halves, sizeof of);
  return load(of);
}
inline Vec scales_of(const Q8Block* block, int64_t stride) {
  return scales_of(block, stride, std::make_index_sequence<kLanes>());
}

#if defined(__AVX2__)
template <int BYTES>
inline auto widened(const int16_t* p) {
#if defined(__AVX512F__)
  if constexpr (BYTES == 64)
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#endif
  if constexpr (BYTES == 32)
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
#endif
/// Whole numbers as floats.
inline Vec load(const int16_t* p) {
#if defined(__AVX2__)
  return widened<sizeof(Vec)>(p);
#else
  Floats v;
  for (int i = 0; i < kLanes; ++i) v[i] = float(p[i]);
  return Vec(v);
#endif
}

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

/// Whether keys are turned in registers (attention_turned.h), as variants with TURNED=1 do: of thousands of positions it
/// takes 5 % less, of a hundred up to 10 % more. Queries have the order of values then. Products add up
/// over kTurnedAtOnce values of each line of a row, then over the next ones of each line.
template <class V>
constexpr bool kInRegisters = TURNED && kLanes == 16 && (std::is_same_v<V, Half> || std::is_same_v<V, Bfloat>);
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

#if defined(__AVX2__)
/// kRow values as they are; whole numbers of a block as wider ones.
template <class T, class Row>
inline Row row_at(const char* at) {
  Row row;
  if constexpr (!std::is_same_v<T, Q8Block>) {
    memcpy(&row, at, sizeof row);
    return row;
#if defined(__AVX512F__)
  } else if constexpr (sizeof(Row) == 64) {
    return Row(_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))));
#endif
  } else {
    return Row(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  }
}
#endif

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
#if defined(__AVX2__)
  using Two = std::conditional_t<sizeof(V) == 2, uint32_t, uint64_t>;
  typedef Two Row __attribute__((vector_size(sizeof(Vec))));
  Row rows[kKeys];
#pragma GCC unroll 8
  for (int r = 0; r < kKeys; ++r) rows[r] = row_at<T, Row>(at + key_at(r) * bytes);
  turn_rows(rows);
  memcpy(to, rows, sizeof rows);
#else
  using Stored = std::conditional_t<std::is_same_v<T, Q8Block>, int8_t, V>;
  for (int two = 0; two < kRow<V> / 2; ++two)
    for (int i = 0; i < kLanes; ++i)
      to[column_of<V>(two) * kLanes + i] = reinterpret_cast<const Stored*>(at + key_at(i / 2) * bytes)[2 * two + i % 2];
#endif
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

/// sums += weights · values for COUNT queries, for VECTORS vectors of values. Rows of values lie `stride` apart.
template <int COUNT, int VECTORS, class T>
void gather(const HeadShape& p, int64_t first, const float* weights, const T* values, int64_t stride, float* sums,
            int64_t positions, Ahead& ahead) {
  Ahead next = ahead;
  Products<COUNT, VECTORS> of;
  for (int query = 0; query < COUNT; ++query)
    for (int v = 0; v < VECTORS; ++v) of.sums[query][v] = load(sums + query * p.padded + first + v * kLanes);
  for (int64_t j = 0; j < positions; ++j, values += stride, ++weights) {
    next.step();
    of.add([&](int v) { return part_of(values, first + v * kLanes); },
           [&](int query) { return set1(weights[query * kChunk]); });
  }
  for (int query = 0; query < COUNT; ++query)
    for (int v = 0; v < VECTORS; ++v) store(sums + query * p.padded + first + v * kLanes, of.sums[query][v]);
  ahead = next;
}

/// … for `count` queries and values [begin, end) of the head, whole vectors.
template <class T>
void gather_some(const HeadShape& p, int count, int64_t begin, int64_t end, const float* weights, const T* values,
                 int64_t stride, float* sums, int64_t rows, Ahead& ahead) {
  in_queries(count, [&](auto queries, int query) {
    in_vectors<queries>(begin / kLanes, end / kLanes, [&](auto vectors, int64_t first) {
      gather<queries, vectors>(p, first * kLanes, weights + query * kChunk, values, stride, sums + query * p.padded,
                               rows, ahead);
    });
  });
}

}  // namespace assay
