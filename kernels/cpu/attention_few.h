// attention_split over few positions, as the first tokens of a prompt have them. Queries lie beside each other in the
// lanes of a vector, so that no key is turned; all is on the stack, and no thread waits for another. Each sum adds up
// in the order of the way for many positions: a row's bits are the same in both.
#pragma once
#include "attention_pairs.h"
#include "attention_parts.h"

namespace assay {

constexpr int kBeside = kLanes / 2;         // queries of a group: each has two lanes
constexpr int64_t kFew = 12, kFewEach = 2;  // positions at most; for each query that shares a head: lanes are not idle
constexpr int64_t kFewSize = 256;           // of a head: what lies on the stack
constexpr int64_t kLittle = 8;              // positions times groups of queries: one thread is done before two have met
constexpr int kKeysAtOnce = 4;              // as many chains of sums

inline bool are_few(const Problem& p) {
  return kLanes > 4 && p.size == p.turned && p.size % (2 * kLanes) == 0 && p.size <= kFewSize &&
         p.position + p.rows <= std::min(kFew, kFewEach * p.rows * p.group);
}

/// Up to kBeside queries of one head of the cache.
struct FewQueries {
  int count = 0;
  int64_t there = 0;  // positions that any of them sees
  int64_t row[kBeside], head[kBeside];
  int32_t sees[kBeside];

  FewQueries() = default;
  FewQueries(const Problem& p, int64_t kv, int64_t first) {
    int64_t of_row = p.rows > 1 ? first / p.group : 0, of_group = first - of_row * p.group;
    for (; count < kBeside && of_row < p.rows; ++count) {
      row[count] = of_row, head[count] = kv * p.group + of_group;
      there = p.position + of_row + 1, sees[count] = int32_t(there);
      if (++of_group == p.group) ++of_row, of_group = 0;
    }
    for (int i = count; i < kBeside; ++i) row[i] = row[0], head[i] = head[0], sees[i] = sees[0];
  }
};

/// The first half of lanes is a, the second one b.
template <size_t... LANE>
inline Vec halves_of(Vec a, Vec b, std::index_sequence<LANE...>) {
  return Vec(__builtin_shufflevector(Floats(a), Floats(b), int(LANE < kLanes / 2 ? LANE : LANE + kLanes)...));
}
inline Vec halves_of(float a, float b) { return halves_of(set1(a), set1(b), std::make_index_sequence<kLanes>()); }

/// Sums of neighbouring lanes: of a in the first half, of b in the second one.
template <size_t... LANE>
inline Vec sums_of_neighbours(Vec a, Vec b, std::index_sequence<LANE...>) {
  return Vec(__builtin_shufflevector(Floats(a), Floats(b), int(2 * LANE)...) +
             __builtin_shufflevector(Floats(a), Floats(b), int(2 * LANE + 1)...));
}

/// The lanes of a and b by turns: those of their first halves, or of the second ones.
template <int HALF, size_t... LANE>
inline Vec zipped(Vec a, Vec b, std::index_sequence<LANE...>) {
  constexpr auto kFrom = [](size_t lane) { return int(HALF * kLanes / 2 + lane / 2 + lane % 2 * kLanes); };
  return Vec(__builtin_shufflevector(Floats(a), Floats(b), kFrom(LANE)...));
}

/// The even lanes, then the odd ones.
template <size_t... LANE>
inline Vec unzipped(Vec v, std::index_sequence<LANE...>) {
  return Vec(__builtin_shufflevector(Floats(v), Floats(v), int(LANE % (kLanes / 2) * 2 + LANE / (kLanes / 2))...));
}

/// The even lanes twice, or the odd ones.
template <int ODD, size_t... LANE>
inline Vec doubled(Vec v, std::index_sequence<LANE...>) {
  return Vec(__builtin_shufflevector(Floats(v), Floats(v), int(LANE / 2 * 2 + ODD)...));
}

/// Queries as pairs of values, two of each query beside each other; for whole columns each value twice.
inline void put_beside([[maybe_unused]] const float* const* rows, [[maybe_unused]] int64_t size,
                       [[maybe_unused]] float* to) {
#if defined(__AVX2__)
  typedef uint64_t Pairs __attribute__((vector_size(sizeof(Vec))));
  for (int64_t i = 0; i < size; i += kLanes) {
    Pairs pairs[kKeys];
#pragma GCC unroll 8
    for (int r = 0; r < kKeys; ++r) memcpy(&pairs[r], rows[r] + i, sizeof pairs[r]);
    turn_rows(pairs);
    if constexpr (kLanes == 16) memcpy(to + i * kBeside, pairs, sizeof pairs);
    for (int r = 0; kWholeColumns && r < kKeys; ++r) {
      constexpr auto kAll = std::make_index_sequence<kLanes>();
      store(to + (i + 2 * r) * kLanes, doubled<0>(Vec(pairs[r]), kAll));
      store(to + (i + 2 * r + 1) * kLanes, doubled<1>(Vec(pairs[r]), kAll));
    }
  }
#endif
}

/// Scores of KEYS positions from the `first` on, two a vector: kBeside queries against the one, then the other.
template <int KEYS, class T>
void score_keys(const Problem& p, int64_t kv, int64_t first, int64_t there, const float* queries, Vec* scores) {
  using V = typename Column<T>::Value;
  constexpr bool kBlocks = std::is_same_v<T, Q8Block>;
  constexpr auto kAll = std::make_index_sequence<kLanes>();
  alignas(64) float space[KEYS * kFewSize];
  const int64_t length = kBlocks ? 32 : p.size;
  const float* keys[KEYS];
  const T* rows[KEYS];
#pragma GCC unroll 4
  for (int k = 0; k < KEYS; ++k) {
    const bool is_there = first + k < there;
    rows[k] = is_there ? cached<T>(p.keys, kv, first + k) : rows[0];
    keys[k] = is_there ? space + k * kFewSize : keys[0];
    if constexpr (std::is_same_v<T, float>)
      keys[k] = rows[k];
    else if (is_there)
      for (int64_t i = 0; i < p.size; i += kLanes) store(space + k * kFewSize + i, part_of(rows[k], i));
  }
  for (int64_t begin = 0; begin < p.size; begin += length) {
    Vec dots[KEYS];
    for (Vec& dot : dots) dot = zero();
    if constexpr (kInRegisters<V>) {
      for (int64_t part = 0; part < kLine; part += kTurnedAtOnce)
        for (int64_t eight = part; eight < length; eight += kLine)
#pragma GCC unroll 4
          for (int64_t at = eight; at < eight + kTurnedAtOnce; at += 2) {
            const Vec query = load(queries + at * kBeside);
#pragma GCC unroll 4
            for (int k = 0; k < KEYS; ++k) dots[k] = fma(in_all_places(keys[k] + at), query, dots[k]);
          }
    } else {
      for (int64_t part = begin; part < begin + length; part += kRow<V>)
        for (int64_t two = part; two < part + kLanes; two += 2)
#pragma GCC unroll 2
          for (int64_t at = two; at < two + kRow<V>; at += kLanes) {  // in the order of columns
            const Vec query = load(queries + at * kBeside);
#pragma GCC unroll 4
            for (int k = 0; k < KEYS; ++k) dots[k] = fma(in_all_places(keys[k] + at), query, dots[k]);
          }
    }
#pragma GCC unroll 2
    for (int k = 0; k < KEYS; k += 2) {
      Vec scale = set1(p.scale);
      if constexpr (kBlocks)
        scale = mul(scale, halves_of(to_float(rows[k][begin / 32].scale), to_float(rows[k + 1][begin / 32].scale)));
      const Vec sums = sums_of_neighbours(dots[k], dots[k + 1], kAll);
      scores[k / 2] = begin == 0 ? mul(sums, scale) : fma(sums, scale, scores[k / 2]);
    }
  }
}

/// Keys of a head of the cache as floats, two positions by turns; of blocks their whole numbers. Sums add up as those
/// of whole columns do.
struct FewKeys {
  int64_t kv = -1;
  alignas(64) float of[kFew / 2][2 * kFewSize];

  template <class T>
  void fill(const Problem& p, int64_t head) {
    if (kv == head) return;
    kv = head;
    constexpr auto kAll = std::make_index_sequence<kLanes>();
    for (int64_t k = 0, count = p.position + p.rows; k < count; k += 2) {
      const T* const rows[] = {cached<T>(p.keys, kv, k), cached<T>(p.keys, kv, std::min(k + 1, count - 1))};
      for (int64_t i = 0; i < p.size; i += kLanes) {
        const Vec a = part_of(rows[0], i), b = part_of(rows[1], i);
        store(of[k / 2] + 2 * i, zipped<0>(a, b, kAll)), store(of[k / 2] + 2 * i + kLanes, zipped<1>(a, b, kAll));
      }
    }
  }
  /// Scores of PAIRS pairs of positions; each sum in so many CHAINS.
  template <int PAIRS, int CHAINS, class T>
  void score(const Problem& p, int64_t first, const float* queries, Vec* scores) const {
    constexpr bool kBlocks = std::is_same_v<T, Q8Block>;
    const int64_t each = kBlocks ? 32 : p.size, last = p.position + p.rows - 1;
    for (int64_t begin = 0; begin < p.size; begin += each) {
      Vec dots[PAIRS][CHAINS] = {};
      for (int64_t dim = begin; dim < begin + each; dim += CHAINS)
#pragma GCC unroll 4
        for (int c = 0; c < CHAINS; ++c) {
          const Vec query = load(queries + (dim + c) * kLanes);
#pragma GCC unroll 4
          for (int k = 0; k < PAIRS; ++k)
            dots[k][c] = fma(in_all_places(of[first + k] + 2 * (dim + c)), query, dots[k][c]);
        }
      for (int k = 0; k < PAIRS; ++k) {
        for (int c = 1; c < CHAINS; ++c) dots[k][0] = add(dots[k][0], dots[k][c]);
        Vec scale = set1(p.scale), &score = scores[first + k];
        const auto scale_at = [&](int64_t row) {
          return to_float(cached<Q8Block>(p.keys, kv, std::min(row, last))[begin / 32].scale);
        };
        if constexpr (kBlocks) scale = mul(scale, halves_of(scale_at(2 * (first + k)), scale_at(2 * (first + k) + 1)));
        const Vec sums = unzipped(dots[k][0], std::make_index_sequence<kLanes>());
        score = begin == 0 ? mul(sums, scale) : fma(sums, scale, score);
      }
    }
  }
};

template <class T>
void score_few(const Problem& p, int64_t kv, int64_t there, const float* queries, FewKeys& keys, Vec* scores) {
  if constexpr (kWholeColumns) {
    keys.fill<T>(p, kv);
    const int64_t pairs = (there + 1) / 2;
    int64_t k = 0;
    if (there == 1) return keys.score<1, 4, T>(p, 0, queries, scores);  // its weight is the same for any order of sums
    for (; k + 4 <= pairs; k += 4) keys.score<4, 1, T>(p, k, queries, scores);
    for (; k + 2 <= pairs; k += 2) keys.score<2, 1, T>(p, k, queries, scores);
    if (k < pairs) keys.score<1, 1, T>(p, k, queries, scores);
    return;
  }
  int64_t j = 0;
  for (; j + 2 < there; j += kKeysAtOnce) score_keys<kKeysAtOnce, T>(p, kv, j, there, queries, scores + j / 2);
  if (j < there) score_keys<2, T>(p, kv, j, there, queries, scores + j / 2);
}

/// Scores become weights; what to multiply sums by, so that weights add up to 1.
inline Vec weigh_few(const FewQueries& q, Vec* scores, float* weights) {
  constexpr auto kAll = std::make_index_sequence<kLanes>();
  Ints sees, next;
  for (int i = 0; i < kLanes; ++i) sees[i] = q.sees[i % kBeside] - i / kBeside;
  const int64_t pairs = (q.there + 1) / 2;
  Vec most = set1(std::numeric_limits<float>::lowest());
  for (int64_t v = 0; v < pairs; ++v) {
    next = Ints{} + int32_t(2 * v);
    scores[v] = Vec(next < sees ? Floats(scores[v]) : Floats(set1(-__builtin_inff())));
    most = larger(most, scores[v]);
  }
  most = larger(most, turned<kLanes / 2>(most, kAll));
  for (int64_t v = 0; v < pairs; ++v) {
    scores[v] = power_of_two(difference(scores[v], most));
    next = Ints{} + int32_t(2 * v);
    if (kLanes < 16) scores[v] = Vec(next < sees ? Floats(scores[v]) : Floats{});  // 2^-infinity is not 0 here
    store(weights + v * kLanes, scores[v]);
  }
  int64_t count = int64_t(std::bit_ceil(uint64_t(pairs)));
  for (int64_t v = pairs; v < count; ++v) scores[v] = zero();
  while (count > 1) {
    count /= 2;
    for (int64_t v = 0; v < count; ++v) scores[v] = add(scores[v], scores[v + count]);
  }
  return quotient(set1(1), add(scores[0], turned<kLanes / 2>(scores[0], kAll)));
}

/// Values [begin, end) of COUNT queries' answers.
template <int COUNT, class T>
void gather_few(const T* values, int64_t stride, int64_t begin, int64_t end, const float* weights, const float* shares,
                int64_t there, float* const* to) {
  for (int64_t first = begin; first < end; first += 2 * kLanes) {
    Vec of[COUNT][2];
    for (int query = 0; query < COUNT; ++query) of[query][0] = of[query][1] = zero();
    const T* row = values;
    for (int64_t j = 0; j < there; ++j, row += stride) {
      const Vec v0 = part_of(row, first), v1 = part_of(row, first + kLanes);
      for (int query = 0; query < COUNT; ++query) {
        const Vec weight = set1(weights[j * kBeside + query]);
        of[query][0] = fma(v0, weight, of[query][0]), of[query][1] = fma(v1, weight, of[query][1]);
      }
    }
    for (int query = 0; query < COUNT; ++query) {
      const Vec share_of_each = set1(shares[query]);
      store(to[query] + first, mul(of[query][0], share_of_each));
      store(to[query] + first + kLanes, mul(of[query][1], share_of_each));
    }
  }
}
template <int COUNT = 4, class T>
void gather_few_of(int count, const T* values, int64_t stride, int64_t begin, int64_t end, const float* weights,
                   const float* shares, int64_t there, float* const* to) {
  if (count >= COUNT) {
    gather_few<COUNT>(values, stride, begin, end, weights, shares, there, to);
    weights += COUNT, shares += COUNT, to += COUNT, count -= COUNT;
  }
  if (count >= COUNT) return gather_few_of<COUNT>(count, values, stride, begin, end, weights, shares, there, to);
  if constexpr (COUNT > 1)
    if (count > 0) gather_few_of<COUNT - 1>(count, values, stride, begin, end, weights, shares, there, to);
}

/// Asks for rows of both parts of the cache.
template <class T>
void ask_for_few(const Problem& p, int64_t kv) {
  for (const assay_tensor* t : {&p.keys, &p.values})
    for (int64_t j = 0; j < p.position + p.rows; ++j) {
      const T* const row = cached<T>(*t, kv, j);
      const T* const end = row + (std::is_same_v<T, Q8Block> ? p.size / 32 : p.size);
      for (auto* line = reinterpret_cast<const char*>(row); line < reinterpret_cast<const char*>(end); line += 64)
        __builtin_prefetch(line, 0, 2);
    }
}

/// A unit's way from queries to D.
template <class T>
struct Few {
  int64_t kv;
  FewQueries q;
  alignas(64) float queries[kFewSize * (kWholeColumns ? kLanes : kBeside)], space[kFewSize * kBeside],
      weights[kFew * kBeside];
  alignas(64) float shares[kLanes];
  Vec scores[int64_t(std::bit_ceil(uint64_t(kFew))) / 2];

  void begin(const Problem& p, int64_t of, int64_t first) {
    kv = of, q = FewQueries(p, kv, first);
    const bool is_float = p.q.dtype == ASSAY_F32;
    const float* from[kBeside];
    for (int i = 0; i < kBeside; ++i)
      from[i] = is_float ? row_of<float>(p.q, 0, q.row[i]) + q.head[i] * p.size
                         : widened_row(p.q, 0, q.row[i], q.head[i] * p.size, p.size, space + i * kFewSize);
    put_beside(from, p.size, queries);
  }
  void gather(const Problem& p) {
    float* to[kBeside];
    const bool is_float = p.d.dtype == ASSAY_F32;
    for (int i = 0; i < q.count; ++i)
      to[i] = is_float ? floats_of_row(p.d, q.row[i]) + q.head[i] * p.size : space + i * kFewSize;
    const T* const values = cached<T>(p.values, kv, 0);
    const int64_t stride = p.values.strides[1];
    if constexpr (std::is_same_v<T, Q8Block>) {
      alignas(64) float scaled[kFew * kBeside];
      for (int64_t block = 0; block < p.size / 32; ++block) {
        const auto scale = [&](int64_t j) { return j < q.there ? to_float(values[j * stride + block].scale) : 0; };
        for (int64_t j = 0; j < q.there; j += 2)
          store(scaled + j * kBeside, mul(load(weights + j * kBeside), halves_of(scale(j), scale(j + 1))));
        gather_few_of(q.count, values, stride, block * 32, block * 32 + 32, scaled, shares, q.there, to);
      }
    } else {
      gather_few_of(q.count, values, stride, 0, p.size, weights, shares, q.there, to);
    }
    for (int i = 0; i < q.count && !is_float; ++i) write_row(p.d, 0, q.row[i], q.head[i] * p.size, to[i], p.size);
  }
};

/// Two units at once: what one waits for the other computes.
template <class T>
void attend_to_few(const Problem& p, const assay_thread& thread) {
  const int64_t groups = (p.rows * p.group + kBeside - 1) / kBeside, all = p.heads * groups;
  const Range mine = share_of_work(all, 1, all * (p.position + p.rows) <= kLittle, thread);
  Few<T> few[2];
  FewKeys keys;
  for (int64_t unit = mine.begin; unit < mine.end; unit += 2) {
    const int64_t count = std::min<int64_t>(2, mine.end - unit);
    int64_t kv[2];
    for (int64_t i = 0; i < count; ++i) {
      kv[i] = (unit + i) / groups;
      if (i == 0 || kv[1] > kv[0]) ask_for_few<T>(p, kv[i]);
    }
    for (int64_t i = 0; i < count; ++i) few[i].begin(p, kv[i], (unit + i - kv[i] * groups) * kBeside);
    for (int64_t i = 0; i < count; ++i) score_few<T>(p, kv[i], few[i].q.there, few[i].queries, keys, few[i].scores);
    for (int64_t i = 0; i < count; ++i) store(few[i].shares, weigh_few(few[i].q, few[i].scores, few[i].weights));
    for (int64_t i = 0; i < count; ++i) few[i].gather(p);
  }
}

}  // namespace assay
