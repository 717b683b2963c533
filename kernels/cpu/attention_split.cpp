// attention_split: chunks of the cache are widened once for all queries that share a head; softmax as it goes. Threads
// share the parts of all heads; sums of parts meet by the same tree for any number of threads, in the workspace. What
// it takes at least, of 14 heads over two of 64 values at 4,096: 2 MB read, 14.7 million multiplications and additions.
#include <algorithm>
#include <bit>
#include <cmath>

#include "attention_lanes.h"
#include "rows.h"

namespace assay {
namespace {

constexpr int64_t kPart = 4;  // chunks that one thread takes together
constexpr float kLog2E = 1.44269504f;
constexpr int64_t kQueries = 32;  // rows × heads of one tile, about

struct Problem : HeadShape {
  const assay_call& call;
  const assay_tensor &q, &d, &keys, &values;
  int64_t group, tile_rows, tiles, rows, position;

  explicit Problem(const assay_call& c)
      : HeadShape{find_tensor(c, ASSAY_CACHE)->dims[2],
                  (find_tensor(c, ASSAY_CACHE)->dims[2] + kLanes - 1) / kLanes * kLanes,
                  param(c, ASSAY_SCALE, 1) * kLog2E},
        call(c),
        q(*find_tensor(c, ASSAY_A)),
        d(*find_tensor(c, ASSAY_D)),
        keys(*find_tensor(c, ASSAY_CACHE, 0)),
        values(*find_tensor(c, ASSAY_CACHE, 1)),
        group(q.dims[2] / size / keys.dims[0]),
        tile_rows(std::max<int64_t>(kQueries / group, 1)),
        tiles((q.dims[1] + tile_rows - 1) / tile_rows),
        rows(q.dims[1]),
        position(0) {}

  int64_t rows_of(int64_t tile) const { return std::min(tile_rows, rows - tile * tile_rows); }
  int64_t queries() const { return std::min(tile_rows, rows) * group; }  // of a tile, at most
  int64_t in_groups() const { return (queries() + kTogether - 1) / kTogether * kTogether; }
  /// Positions that the last row of a tile sees.
  int64_t seen_by(int64_t tile) const { return position + tile * tile_rows + rows_of(tile); }
  int64_t chunks_of(int64_t tile) const { return (seen_by(tile) + kChunk - 1) / kChunk; }
  int64_t parts_of(int64_t tile) const { return (chunks_of(tile) + kPart - 1) / kPart; }
  /// Sums of parts that may wait for others at once: a stretch of a tree is two of each level at most.
  int64_t waiting() const { return 2 * std::bit_width(uint64_t(keys.dims[1]) / (kPart * kChunk) + 1) + 1; }
};

/// What the queries of a tile have gathered so far: sums of values, weighed; the sum of weights, by lanes; the largest
/// score, or one that is not far below it.
struct Gathered {
  float *sums = nullptr, *weights = nullptr, *largest = nullptr;
  Gathered() = default;
  static size_t floats(const Problem& p) { return round_up(size_t(p.queries() * (p.padded + kLanes + 1)), 16); }
  Gathered(const Problem& p, float* at)
      : sums(at), weights(at + p.queries() * p.padded), largest(weights + p.queries() * kLanes) {}
};

struct Space {  // of one thread
  float *queries, *keys[2], *rows, *values, *scores, *partial;
  static size_t floats(const Problem& p) {
    return size_t(p.in_groups() * (p.padded + kChunk) + (3 * kPair + kChunk) * p.padded) +
           size_t(2 * p.waiting()) * Gathered::floats(p) + 64;
  }
  Space(const Problem& p, uint32_t thread) {
    const size_t bytes = round_up(floats(p) * sizeof(float), 64);
    queries = reinterpret_cast<float*>(static_cast<char*>(p.call.workspace) + bytes * thread);
    keys[0] = queries + p.in_groups() * p.padded;
    keys[1] = keys[0] + kPair * p.padded;
    rows = keys[1] + kPair * p.padded;
    values = rows + kPair * p.padded;
    scores = values + kChunk * p.padded;
    partial = scores + p.in_groups() * kChunk;
  }
  /// side 0: of the head that began before this thread's stretch; 1: of those that begin in it.
  Gathered gathered(const Problem& p, int side, int place) const {
    return {p, partial + size_t(side * p.waiting() + place) * Gathered::floats(p)};
  }
};

/// Of a chunk what vectors of scores are taken of.
int64_t in_lanes(int64_t positions) { return (positions + kLanes - 1) / kLanes * kLanes; }

template <class T>
const T* cached(const assay_tensor& t, int64_t head, int64_t row) {
  return static_cast<const T*>(t.data) + head * t.strides[0] + row * t.strides[1];
}

/// `count` rows from `first` on, zeros behind them, up to `rows`, and behind each row's end.
template <class T>
void pad(const Problem& p, const assay_tensor& t, int64_t head, int64_t first, int64_t count, int64_t rows, T* to) {
  constexpr int64_t kEach = std::is_same_v<T, Q8Block> ? 32 : 1;
  const int64_t size = p.size / kEach, padded = p.padded / kEach;
  for (int64_t j = 0; j < rows; ++j, to += padded) {
    if (j < count) memcpy(static_cast<void*>(to), cached<T>(t, head, first + j), size_t(size) * sizeof(T));
    const int64_t there = j < count ? size : 0;
    memset(static_cast<void*>(to + there), 0, size_t(padded - there) * sizeof(T));
  }
}

/// … of values, as floats.
template <class T>
void widen(const Problem& p, const assay_tensor& t, int64_t head, int64_t first, int64_t count, float* to) {
  for (int64_t j = 0; j < count; ++j, to += p.padded) {
    const T* const row = cached<T>(t, head, first + j);
    int64_t i = 0;
    for (; i + kLanes <= p.size; i += kLanes) store(to + i, part_of(row, i));
    if constexpr (!std::is_same_v<T, Q8Block>)
      for (; i < p.size; ++i) to[i] = to_float(row[i]);
    for (; i < p.padded; ++i) to[i] = 0;
  }
}

/// Up to kPair keys from `first` on, of those before `end`.
template <class T>
Keys<T> keys_at(const Problem& p, const Space& space, int64_t head, int64_t first, int64_t end, int side) {
  auto* const columns = reinterpret_cast<typename Keys<T>::V*>(space.keys[side]);
  if (p.size == p.padded && first + kPair <= end)
    return {cached<T>(p.keys, head, first), p.keys.strides[1], p.padded, columns};
  auto* const rows = reinterpret_cast<T*>(space.rows);
  pad<T>(p, p.keys, head, first, std::min(kPair, end - first), kPair, rows);
  return {rows, p.padded / (std::is_same_v<T, Q8Block> ? 32 : 1), p.padded, columns};
}

/// Rows [first, last) of a head in so many steps.
template <class T>
Ahead ahead_of(const assay_tensor& t, int64_t head, int64_t first, int64_t last, int64_t steps) {
  Ahead ahead;
  if (first >= last) return ahead;
  ahead.at = reinterpret_cast<const char*>(cached<T>(t, head, first));
  ahead.end = reinterpret_cast<const char*>(cached<T>(t, head, last));
  ahead.lines = int(((ahead.end - ahead.at + 63) / 64 + steps - 1) / steps);
  return ahead;
}

/// Scores become weights, of `count` positions; what was gathered before is brought to the new largest score, where
/// that is another. Positions up to `there` that this query does not see weigh nothing.
void weigh(const Problem& p, float* scores, int64_t count, int64_t there, const Gathered& g, int64_t query) {
  const int64_t lanes = in_lanes(count);
  for (int64_t j = count; j < lanes; ++j) scores[j] = -INFINITY;
  Vec most = load(scores);
  for (int64_t j = kLanes; j < lanes; j += kLanes) most = larger(load(scores + j), most);
  Vec sum_of = load(g.weights + query * kLanes);
  if (any_above(most, g.largest[query])) {
    const float now = largest(most);
    const Vec shrunk = power_of_two(set1(g.largest[query] - now));  // of what is 0 at first
    for (int64_t i = 0; i < p.padded; i += kLanes)
      store(g.sums + query * p.padded + i, mul(load(g.sums + query * p.padded + i), shrunk));
    sum_of = mul(sum_of, shrunk);
    g.largest[query] = now;
  }
  const Vec now = set1(g.largest[query]);
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    const Vec weight = power_of_two(difference(load(scores + j), now));
    store(scores + j, weight);
    sum_of = add(sum_of, weight);
  }
  if (j < count) {  // 2^-infinity need not be 0 here
    store(scores + j, power_of_two(difference(load(scores + j), now)));
    for (int64_t i = count; i < lanes; ++i) scores[i] = 0;
    sum_of = add(sum_of, load(scores + j));
  }
  for (int64_t i = lanes; i < there; ++i) scores[i] = 0;
  store(g.weights + query * kLanes, sum_of);
}

/// Groups of kTogether queries, value by value.
void load_queries(const Problem& p, int64_t tile, int64_t kv, const Space& space) {
  int64_t query = 0;
  for (int64_t row = 0; row < p.rows_of(tile); ++row)
    for (int64_t head = 0; head < p.group; ++head, ++query) {
      const float* from =
          widened_row(p.q, 0, tile * p.tile_rows + row, (kv * p.group + head) * p.size, p.size, space.rows);
      float* const to = space.queries + query / kTogether * kTogether * p.padded + query % kTogether;
      for (int64_t i = 0; i < p.padded; ++i) to[i * kTogether] = i < p.size ? from[i] : 0;
    }
}

/// Chunks [first, last) of a head of the cache, for all queries of a tile. The thread's own are those of `stretch`:
/// what it needs next but one is asked for.
template <class T>
void attend(const Problem& p, const Space& space, int64_t tile, int64_t kv, int64_t first, int64_t last, Range stretch,
            const Gathered& g) {
  const int64_t queries = p.rows_of(tile) * p.group, seen = p.seen_by(tile), end = std::min(stretch.end * kChunk, seen);
  std::fill(g.sums, g.sums + queries * p.padded, 0.0f);
  std::fill(g.weights, g.weights + queries * kLanes, 0.0f);
  std::fill(g.largest, g.largest + queries, -INFINITY);
  const bool in_place = p.size == p.padded;  // values are widened as they are used
  const int64_t groups = (queries + kTogether - 1) / kTogether;
  const int64_t key_steps = kChunk / kPair * p.padded * groups;
  const int64_t value_steps = kChunk * ((p.padded + kAcross * kLanes - 1) / (kAcross * kLanes)) * groups;
  const int64_t stop = std::min(last * kChunk, seen);
  int side = 0;
  keys_at<T>(p, space, kv, first * kChunk, stop, side).turn();
  for (int64_t chunk = first; chunk < last; ++chunk) {
    const int64_t at = chunk * kChunk, there = std::min(kChunk, seen - at);
    const int64_t next = at + (chunk == stretch.begin ? 1 : 2) * kChunk, after = std::min(at + 3 * kChunk, end);
    Ahead keys = ahead_of<T>(p.keys, kv, next, after, key_steps);
    Ahead values = ahead_of<T>(p.values, kv, next, after, value_steps);
    for (int64_t j = at; j < at + there; j += kPair, side ^= 1) {
      Keys<T> others;
      if (j + kPair < stop) others = keys_at<T>(p, space, kv, j + kPair, stop, side ^ 1);
      for (int64_t query = 0; query < queries; query += kTogether, others.pieces = 0)
        score_some(p, int(std::min<int64_t>(kTogether, queries - query)), space.queries + query * p.padded,
                   reinterpret_cast<const typename Keys<T>::V*>(space.keys[side]),
                   space.scores + query * kChunk + j - at, keys, others);
    }
    if (!in_place) widen<T>(p, p.values, kv, at, there, space.values);
    for (int64_t query = 0; query < queries; query += kTogether) {
      const int count = int(std::min<int64_t>(kTogether, queries - query));
      float* const scores = space.scores + query * kChunk;
      for (int i = 0; i < count; ++i) {
        const int64_t row = tile * p.tile_rows + (query + i) / p.group;
        const int64_t sees = std::clamp<int64_t>(p.position + row + 1 - at, 0, there);
        if (sees > 0)
          weigh(p, scores + i * kChunk, sees, there, g, query + i);
        else
          std::fill(scores + i * kChunk, scores + i * kChunk + there, 0.0f);
      }
      float* const sums = g.sums + query * p.padded;
      if (in_place)
        gather_some(p, count, scores, cached<T>(p.values, kv, at), p.values.strides[1], sums, there, values);
      else
        gather_some(p, count, scores, space.values, p.padded, sums, there, values);
    }
  }
}

void finish(const Problem& p, int64_t tile, int64_t kv, const Gathered& g) {
  for (int64_t query = 0; query < p.rows_of(tile) * p.group; ++query) {
    float* const sums = g.sums + query * p.padded;
    const Vec share_of_each = set1(1 / sum(load(g.weights + query * kLanes)));
    for (int64_t i = 0; i < p.padded; i += kLanes) store(sums + i, mul(load(sums + i), share_of_each));
    write_row(p.d, 0, tile * p.tile_rows + query / p.group, (kv * p.group + query % p.group) * p.size, sums, p.size);
  }
}

/// Adds what another thread gathered.
void merge(const Problem& p, int64_t queries, const Gathered& to, const Gathered& from) {
  for (int64_t query = 0; query < queries; ++query) {
    const float now = std::max(to.largest[query], from.largest[query]);
    if (now == -INFINITY) continue;
    const float a = std::exp2(to.largest[query] - now), b = std::exp2(from.largest[query] - now);
    for (int64_t i = 0; i < p.padded; i += kLanes) {
      float* const sums = to.sums + query * p.padded + i;
      store(sums, fma(set1(b), load(from.sums + query * p.padded + i), mul(set1(a), load(sums))));
    }
    float* const weights = to.weights + query * kLanes;
    store(weights, fma(set1(b), load(from.weights + query * kLanes), mul(set1(a), load(weights))));
    to.largest[query] = now;
  }
}

Range share_of(int64_t total, uint32_t index, uint32_t count) {
  return {total * index / count, total * (index + 1) / count};
}

/// Parts in a row, joined as a binary tree over all parts has them: two neighbours of a size when both are there, the
/// rest at the end. So a sum is the same wherever threads cut.
class Joined {
 public:
  explicit Joined(const Problem& p, int64_t queries) : p_(p), queries_(queries) {}

  int size() const { return size_; }
  const Gathered& whole() {
    while (size_ > 1) --size_, merge(p_, queries_, nodes_[size_ - 1].sum, nodes_[size_].sum);
    return nodes_[0].sum;
  }
  void add(int64_t first, int64_t parts, const Gathered& sum) {
    nodes_[size_++] = {first, parts, sum};
    for (; size_ > 1 && is_pair(nodes_[size_ - 2], nodes_[size_ - 1]); --size_) {
      merge(p_, queries_, nodes_[size_ - 2].sum, nodes_[size_ - 1].sum);
      nodes_[size_ - 2].parts *= 2;
    }
  }
  /// What another thread has joined of parts [first, last).
  void add(const Space& theirs, int side, int64_t first, int64_t last) {
    for (int place = 0; first < last; ++place) {
      // The largest node of the tree that begins here and ends in time.
      const int64_t fits = int64_t(std::bit_floor(uint64_t(last - first)));
      const int64_t parts = first == 0 ? fits : std::min(first & -first, fits);
      add(first, parts, theirs.gathered(p_, side, place));
      first += parts;
    }
  }

 private:
  struct Node {
    int64_t first = 0, parts = 0;
    Gathered sum;
  };
  static bool is_pair(const Node& a, const Node& b) { return a.parts == b.parts && a.first % (2 * a.parts) == 0; }

  const Problem& p_;
  const int64_t queries_;
  int size_ = 0;
  Node nodes_[2 * 64];
};

/// Parts of all heads and tiles lie in one line; a thread takes a stretch of it.
template <class T>
void run_as(Problem& p, const assay_thread& thread) {
  const int64_t heads = p.keys.dims[0];
  int64_t total = 0;
  for (int64_t tile = 0; tile < p.tiles; ++tile) total += heads * p.parts_of(tile);
  const Range mine = share_of(total, thread.index, thread.count);
  const Space space(p, thread.index);
  const auto each_head = [&](auto f) {
    int64_t begin = 0;
    for (int64_t tile = 0; tile < p.tiles; ++tile)
      for (int64_t kv = 0; kv < heads; ++kv, begin += p.parts_of(tile)) f(tile, kv, begin, begin + p.parts_of(tile));
  };
  each_head([&](int64_t tile, int64_t kv, int64_t begin, int64_t end) {
    const int64_t first = std::max(mine.begin, begin), last = std::min(mine.end, end);
    if (first >= last) return;
    const int side = first > begin ? 0 : 1;
    Joined joined(p, p.rows_of(tile) * p.group);
    const int64_t start = (first - begin) * kPart * kChunk, soon = std::min(start + kChunk, p.seen_by(tile));
    ahead_of<T>(p.keys, kv, start, soon, 1).step();
    ahead_of<T>(p.values, kv, start, soon, 1).step();
    load_queries(p, tile, kv, space);
    for (int64_t part = first - begin; part < last - begin; ++part) {
      const Gathered g = space.gathered(p, side, joined.size());
      attend<T>(p, space, tile, kv, part * kPart, std::min((part + 1) * kPart, p.chunks_of(tile)),
                {(first - begin) * kPart, (last - begin) * kPart}, g);
      joined.add(part, 1, g);
    }
    if (first == begin && last == end) finish(p, tile, kv, joined.whole());
  });
  bool any_split = false;
  for (uint32_t t = 1; t < thread.count; ++t) {
    const int64_t cut = share_of(total, t, thread.count).begin;
    each_head([&](int64_t, int64_t, int64_t begin, int64_t end) { any_split |= begin < cut && cut < end; });
  }
  if (!any_split) return;
  thread.barrier(&thread);
  each_head([&](int64_t tile, int64_t kv, int64_t begin, int64_t end) {
    if (begin < mine.begin || begin >= mine.end || end <= mine.end) return;  // it is its first thread's to finish
    Joined joined(p, p.rows_of(tile) * p.group);
    joined.add(space, 1, 0, mine.end - begin);
    for (uint32_t t = thread.index + 1; t < thread.count && share_of(total, t, thread.count).begin < end; ++t) {
      const Range theirs = share_of(total, t, thread.count);
      joined.add(Space(p, t), 0, theirs.begin - begin, std::min(theirs.end, end) - begin);
    }
    finish(p, tile, kv, joined.whole());
  });
}

size_t workspace_bytes(const assay_call* call, uint32_t threads) {
  return round_up(Space::floats(Problem(*call)) * sizeof(float), 64) * threads;
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ATTENTION || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  Problem p(*call);
  p.position = index_at(*call, 0);
  if (p.keys.layout == ASSAY_BLOCKS) run_as<Q8Block>(p, *thread);
  with_type(p.keys.dtype, [&](auto* type) { run_as<std::remove_pointer_t<decltype(type)>>(p, *thread); });
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("attention_split", assay::workspace_bytes, nullptr, nullptr, assay::run)
