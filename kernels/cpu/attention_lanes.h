// attention_split's inner loops: what several queries and several vectors make together, and what is asked for in
// between. Scores are made in attention_columns.h, of vectors of sixteen floats in attention_pairs.h. Measured on Zen
// 4: a factor that an instruction reads from memory itself is free, one that is broadcast first costs a cycle where
// values are widened.
#pragma once
#include "attention_weights.h"
#include "q8_cache.h"

namespace assay {

/// Whether a chunk's keys become columns together (attention_columns.h); else 16 at a time (attention_pairs.h).
constexpr bool kWholeColumns = kLanes < 16;

/// Vectors that COUNT queries meet at once: sixteen registers hold twelve sums beside what they are made of, and two
/// multiply-adds a cycle that take four each need eight.
template <int COUNT>
constexpr int kAcross = kLanes == 16 || COUNT > 4 ? 2
                        : COUNT == 4              ? 3
                        : COUNT > 1               ? 4
                                                  : 8;
constexpr int kMostAtOnce = kLanes == 16 ? 8 : 6;  // queries
constexpr int kMostSums = 12;                      // of as many queries and vectors, where registers are sixteen

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

/// Sums of COUNT queries in VECTORS vectors. What there is less of waits in registers for the other. Of sixteen lanes
/// each product has a factor from memory.
template <int COUNT, int VECTORS>
struct Products {
  Vec sums[COUNT][VECTORS] = {};
  template <class Row, class Factor>
  __attribute__((always_inline)) void add(Row row, Factor factor) {
    if constexpr (COUNT < VECTORS && kLanes < 16) {
      Vec factors[COUNT];
      for (int query = 0; query < COUNT; ++query) factors[query] = factor(query, 0);
      for (int v = 0; v < VECTORS; ++v) {
        const Vec values = row(v);
        for (int query = 0; query < COUNT; ++query) sums[query][v] = fma(values, factors[query], sums[query][v]);
      }
    } else {
      Vec values[VECTORS];
      for (int v = 0; v < VECTORS; ++v) values[v] = row(v);
      for (int query = 0; query < COUNT; ++query) {
        const Vec of = factor(query, 0);
        for (int v = 0; v < VECTORS; ++v)
          sums[query][v] = fma(values[v], v > 0 && kLanes == 16 ? factor(query, v) : of, sums[query][v]);
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

/// sums += weights · values for COUNT queries, for VECTORS vectors of values. Rows of values lie `stride` apart.
template <int COUNT, int VECTORS, class T>
void gather(const HeadShape& p, int64_t first, const float* weights, const T* values, int64_t stride, float* sums,
            int64_t positions, Ahead& ahead) {
  Ahead next = ahead;
  Products<COUNT, VECTORS> of;
  for (int query = 0; query < COUNT; ++query)
    for (int v = 0; v < VECTORS; ++v) of.sums[query][v] = load(sums + query * p.padded + first + v * kLanes);
  const float* again = weights;
  if constexpr (kLanes == 16)
    asm("" : "+r"(again));  // what a compiler knows to be the same it broadcasts once, for two
  for (int64_t j = 0; j < positions; ++j, values += stride) {
    next.step();
    of.add([&](int v) { return part_of(values, first + v * kLanes); },
           [&](int query, int v) { return set1((v == 0 ? weights : again)[query * kChunk + j]); });
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
