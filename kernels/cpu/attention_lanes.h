// attention_split's inner loops: keys turned into columns, scores of several queries at once, sums of values. What
// comes next is asked for and turned in between: in the shadow of multiplications both cost little, apart from them a
// third of the time. Measured on Zen 4: a factor that an instruction reads from memory itself is free, one that is
// broadcast first costs a cycle where values are widened; a vector of floats that is stored costs one or two.
#pragma once
#include "attention_weights.h"
#include "q8_cache.h"

namespace assay {

constexpr int kAcross = 2;  // vectors of values that are met together, as registers allow

/// A head's size, and in whole vectors; what scores are multiplied by.
struct HeadShape {
  int64_t size, padded;
  float scale;
};

/// A stretch of the cache that is asked for, some lines at each step: many at once would wait for each other, and all
/// for them. Into the second level: the first is full of what is in work.
struct Ahead {
  const char *at = nullptr, *end = nullptr;
  int lines = 0;
  void step() {
    for (int i = 0; i < lines && at < end; ++i, at += 64) __builtin_prefetch(at, 0, 2);
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

/// sum + v · factor.
inline Vec add_scaled(Vec sum, Vec v, const float* factor) {
#if defined(__AVX512F__)
  if constexpr (kLanes == 16) {
    asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(v), "m"(*factor));
    return sum;
  }
#endif
  return fma(set1(*factor), v, sum);
}

/// Two vectors of a row, the second where there is one. Both are of one block.
template <class T>
inline void parts_of(const T* row, int64_t i, Vec& v0, Vec& v1) {
  v0 = part_of(row, i), v1 = part_of(row, i + kLanes);
}
inline void parts_of(const Q8Block* row, int64_t i, Vec& v0, Vec& v1) {
  const Q8Block& block = row[i / 32];
  const Vec scale = broadcast(&block.scale);
  v0 = mul(load(block.values + i % 32), scale), v1 = mul(load(block.values + i % 32 + kLanes), scale);
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

/// How keys are held as columns: as they are; blocks as their whole numbers, behind which stand the scales of kPair
/// positions for each block. kDims columns are made at once.
template <class T>
struct Column {
  using Value = T;
};
template <>
struct Column<Q8Block> {
  using Value = int16_t;
};
template <class V>
constexpr int kDims = kLanes * sizeof(V) >= 16 ? int(16 / sizeof(V)) : 4;

/// Value `dim` of a row.
template <class T>
inline const char* value_at(const T* row, int64_t dim) {
  return reinterpret_cast<const char*>(row + dim);
}
inline const char* value_at(const Q8Block* row, int64_t dim) {
  return reinterpret_cast<const char*>(row[dim / 32].values + dim % 32);
}

#if defined(__AVX2__)
/// 16 bytes of values; eight of a block become as many.
template <class T>
inline __m128i sixteen(const char* at) {
  if constexpr (std::is_same_v<T, Q8Block>)
    return _mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
/// The same of rows that are `step` bytes apart, side by side.
template <class T, int BYTES>
inline auto sixteens(const char* from, [[maybe_unused]] int64_t step) {
  const auto part = [&](int i) { return sixteen<T>(from + i * step); };
#if defined(__AVX512F__)
  if constexpr (BYTES == 64) {
    const __m512i half = _mm512_inserti32x4(_mm512_castsi128_si512(part(0)), part(1), 1);
    return _mm512_inserti32x4(_mm512_inserti32x4(half, part(2), 2), part(3), 3);
  }
#endif
  if constexpr (BYTES == 32) return _mm256_inserti128_si256(_mm256_castsi128_si256(part(0)), part(1), 1);
  if constexpr (BYTES == 16) return part(0);
}
#endif

/// In each 16 bytes, values of a and b by turns: of their first halves, or of the second ones.
template <int DIMS, int HALF, class V, size_t... LANE>
inline V interleaved(V a, V b, std::index_sequence<LANE...>) {
  constexpr size_t kCount = sizeof...(LANE);
  constexpr auto kFrom = [](size_t lane) {
    return int(lane / DIMS * DIMS + lane % DIMS / 2 + HALF * DIMS / 2 + lane % 2 * kCount);
  };
  return __builtin_shufflevector(a, b, kFrom(LANE)...);
}

/// Of kLanes keys, `stride` apart, kDims values from `at` on, as columns kPair apart.
template <class T, class V>
inline void turn(const char* at, int64_t stride, V* to) {
  constexpr int kCount = kDims<V>;
  const int64_t bytes = stride * int64_t(sizeof(T));
#if defined(__AVX2__)
  using Bits = std::conditional_t<sizeof(V) == 2, uint16_t, uint32_t>;
  typedef Bits Row __attribute__((vector_size(sizeof(V) * kLanes)));
  constexpr auto kAll = std::make_index_sequence<kLanes>();
  Row rows[kCount], turned[kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r, at += bytes) {
    asm("" : "+r"(at));  // one address after the other: sixteen at once find no room in registers
    rows[r] = Row(sixteens<T, int(sizeof(Row))>(at, kCount * bytes));
  }
  // Each step turns the number of a row and that of a place, as one string of bits, by one bit.
#pragma GCC unroll 3
  for (int step = 0; step < (kCount == 8 ? 3 : 2); ++step) {
#pragma GCC unroll 4
    for (int r = 0; r < kCount / 2; ++r) {
      turned[2 * r] = interleaved<kCount, 0>(rows[r], rows[r + kCount / 2], kAll);
      turned[2 * r + 1] = interleaved<kCount, 1>(rows[r], rows[r + kCount / 2], kAll);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) rows[r] = turned[r];
  }
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) memcpy(to + r * kPair, rows + r, sizeof(Row));
#else
  using Stored = std::conditional_t<std::is_same_v<T, Q8Block>, int8_t, V>;
  for (int i = 0; i < kCount; ++i)
    for (int j = 0; j < kLanes; ++j) to[i * kPair + j] = reinterpret_cast<const Stored*>(at + j * bytes)[i];
#endif
}

/// kPair keys on their way to columns, a piece at a time.
template <class T>
struct Keys {
  using V = typename Column<T>::Value;
  const T* from = nullptr;
  int64_t stride = 0, pieces = 0;
  V* to = nullptr;

  Keys() = default;
  Keys(const T* rows, int64_t step, int64_t padded, V* columns)
      : from(rows), stride(step), pieces(padded / kDims<V> * 2), to(columns) {
    if constexpr (std::is_same_v<T, Q8Block>) {
      auto* scales = reinterpret_cast<float*>(columns + padded * kPair);
      for (int64_t block = 0; block < padded / 32; ++block, scales += kPair) {
        Half of[kPair];
        for (int64_t j = 0; j < kPair; ++j) of[j] = rows[j * step + block].scale;
        store(scales, load(of)), store(scales + kLanes, load(of + kLanes));
      }
    }
  }
  void turn(int64_t piece) const {
    if (piece >= pieces) return;
    const int64_t half = piece % 2 * kLanes, dim = piece / 2 * kDims<V>;
    assay::turn<T>(value_at(from + half * stride, dim), stride, to + dim * kPair + half);
  }
  void turn() const {
    for (int64_t piece = 0; piece < pieces; ++piece) turn(piece);
  }
};

/// What COUNT queries have gathered of kPair scores: named values, which stay in registers where an array would not.
template <int COUNT>
struct Dots {
  Vec v0 = zero(), v1 = zero();
  Dots<COUNT - 1> others;
  __attribute__((always_inline)) void multiply(Vec keys0, Vec keys1, const float* query) {
    v0 = add_scaled(v0, keys0, query), v1 = add_scaled(v1, keys1, query);
    others.multiply(keys0, keys1, query + 1);
  }
  __attribute__((always_inline)) void write(Vec scale0, Vec scale1, float* to) const {
    store(to, mul(v0, scale0)), store(to + kLanes, mul(v1, scale1));
    others.write(scale0, scale1, to + kChunk);
  }
  __attribute__((always_inline)) void add(Vec scale0, Vec scale1, float* to) const {
    store(to, fma(v0, scale0, load(to))), store(to + kLanes, fma(v1, scale1, load(to + kLanes)));
    others.add(scale0, scale1, to + kChunk);
  }
};
template <>
struct Dots<0> {
  void multiply(Vec, Vec, const float*) {}
  void write(Vec, Vec, float*) const {}
  void add(Vec, Vec, float*) const {}
};

/// Scores of COUNT queries, kChunk apart, against kPair columns. Queries lie value by value, kTogether apart. Meanwhile
/// other keys are turned.
template <int COUNT, class T, class V>
void score(const HeadShape& p, const float* queries, const V* keys, float* to, Ahead& ahead, const Keys<T> others) {
  constexpr bool kBlocks = std::is_same_v<T, Q8Block>;
  constexpr int kStep = kDims<V> / 2;  // as many steps as there are pieces
  const auto* scales = reinterpret_cast<const float*>(keys + p.padded * kPair);
  Ahead next = ahead;
  int64_t piece = 0;
  for (int64_t block = 0; block < p.padded; block += kBlocks ? 32 : p.padded, scales += kPair) {
    Dots<COUNT> dots;
    for (int64_t i = 0; i < (kBlocks ? 32 : p.padded); i += kStep, ++piece) {
      others.turn(piece);
#pragma GCC unroll 4
      for (int d = 0; d < kStep; ++d, keys += kPair, queries += kTogether) {
        next.step();
        dots.multiply(load(keys), load(keys + kLanes), queries);
      }
    }
    Vec scale0 = set1(p.scale), scale1 = scale0;
    if constexpr (kBlocks) scale0 = mul(scale0, load(scales)), scale1 = mul(scale1, load(scales + kLanes));
    if (block == 0)
      dots.write(scale0, scale1, to);
    else
      dots.add(scale0, scale1, to);
  }
  ahead = next;
}

template <int COUNT = kTogether, class T, class V>
void score_some(const HeadShape& p, int count, const float* queries, const V* keys, float* to, Ahead& ahead,
                const Keys<T>& others) {
  if (count == COUNT) return score<COUNT>(p, queries, keys, to, ahead, others);
  if constexpr (COUNT > 1) score_some<COUNT - 1>(p, count, queries, keys, to, ahead, others);
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
        Vec v0, v1;
        parts_of(row, first, v0, v1);
        next.step();
        for (int query = 0; query < COUNT; ++query) {
          const float* const weight = weights + query * kChunk + j;
          of[query][0] = add_scaled(of[query][0], v0, weight), of[query][1] = add_scaled(of[query][1], v1, weight);
        }
      }
    } else {
      for (int64_t j = 0; j < positions; ++j, row += stride) {
        const Vec v0 = part_of(row, first);
        next.step();
        for (int query = 0; query < COUNT; ++query)
          of[query][0] = add_scaled(of[query][0], v0, weights + query * kChunk + j);
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
