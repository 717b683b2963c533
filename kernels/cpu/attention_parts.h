// Attention's work cut into parts that any number of threads can share: a part's sums are gathered alone, and parts
// meet by the same tree wherever threads cut. What a part is made of is the kernel's.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "attention_weights.h"
#include "rows.h"

namespace assay {

constexpr int64_t kPart = 4;  // chunks that one thread takes together

/// A call in tiles: rows whose queries of one head of the cache are met together, about `queries` of them.
struct Problem {
  const assay_call& call;
  const assay_tensor &q, &d, &keys, &values;
  int64_t size, padded, turned;  // of a head; in whole vectors; of keys, a multiple of `granule`
  float scale;                   // of scores, which are powers of two then
  int64_t heads, group, rows, position, tile_rows, tiles;

  Problem(const assay_call& c, int64_t granule, int64_t most_queries)
      : call(c),
        q(*find_tensor(c, ASSAY_A)),
        d(*find_tensor(c, ASSAY_D)),
        keys(*find_tensor(c, ASSAY_CACHE, 0)),
        values(*find_tensor(c, ASSAY_CACHE, 1)),
        size(keys.dims[2]),
        padded((size + kLanes - 1) / kLanes * kLanes),
        turned((size + granule - 1) / granule * granule),
        scale(param(c, ASSAY_SCALE, 1) * 1.44269504f),
        heads(keys.dims[0]),
        group(q.dims[2] / size / heads),
        rows(q.dims[1]),
        position(0),
        tile_rows(std::min(std::max<int64_t>(most_queries / group, 1), rows)),
        tiles((rows + tile_rows - 1) / tile_rows) {}

  /// Of a head in a cache of blocks.
  int64_t blocks() const { return keys.layout == ASSAY_BLOCKS ? size / 32 : 0; }
  int64_t rows_of(int64_t tile) const { return std::min(tile_rows, rows - tile * tile_rows); }
  int64_t queries() const { return tile_rows * group; }  // of a tile, at most
  int64_t groups() const { return (queries() + kTogether - 1) / kTogether; }
  /// Positions that the last row of a tile sees.
  int64_t seen_by(int64_t tile) const { return position + tile * tile_rows + rows_of(tile); }
  int64_t chunks_of(int64_t tile) const { return (seen_by(tile) + kChunk - 1) / kChunk; }
  int64_t parts_of(int64_t tile) const { return (chunks_of(tile) + kPart - 1) / kPart; }
  /// Sums of parts that may wait for others at once: a stretch of a tree is two of each level at most.
  int64_t waiting() const { return 2 * std::bit_width(uint64_t(keys.dims[1]) / (kPart * kChunk) + 1) + 1; }
  /// How many of `there` positions from `at` on a query of a tile sees.
  int64_t seen_from(int64_t tile, int64_t query, int64_t at, int64_t there) const {
    return std::clamp<int64_t>(position + tile * tile_rows + query / group + 1 - at, 0, there);
  }
};

/// What the queries of a tile have gathered so far: sums of values, weighed; the sum of weights, by lanes; the largest
/// score, in kLanes / kTogether lanes of its group's vector.
struct Gathered {
  float *sums, *weights, *largest;
  Gathered() = default;  // nothing is set: to clear the nodes of a tree took a tenth of a call with few positions
  static size_t floats(const Problem& p) {
    return round_up(size_t(p.queries() * (p.padded + kLanes) + p.groups() * kLanes), 16);
  }
  Gathered(const Problem& p, float* at)
      : sums(at), weights(at + p.queries() * p.padded), largest(weights + p.queries() * kLanes) {}
  void clear(const Problem& p) const {
    std::fill(sums, largest, 0.0f);
    std::fill(largest, largest + p.groups() * kLanes, std::numeric_limits<float>::lowest());
  }
  float& largest_of(int64_t query) const {
    return largest[query / kTogether * kLanes + query % kTogether * (kLanes / kTogether)];
  }
};

/// What threads tell each other: of each, sums of the head that began before its stretch (side 0) and of those that
/// begin in it (side 1).
struct Partials {
  const Problem& p;
  char* at;
  size_t thread_bytes;
  Gathered of(uint32_t thread, int side, int place) const {
    auto* const floats = reinterpret_cast<float*>(at + thread_bytes * thread);
    return {p, floats + size_t(side * p.waiting() + place) * Gathered::floats(p)};
  }
  static size_t bytes(const Problem& p) {
    return round_up(size_t(2 * p.waiting()) * Gathered::floats(p) * sizeof(float), 64);
  }
};

inline void finish(const Problem& p, int64_t tile, int64_t kv, const Gathered& g) {
  for (int64_t query = 0; query < p.rows_of(tile) * p.group; ++query) {
    float* const sums = g.sums + query * p.padded;
    const Vec share_of_each = set1(1 / sum(load(g.weights + query * kLanes)));
    for (int64_t i = 0; i < p.padded; i += kLanes) store(sums + i, mul(load(sums + i), share_of_each));
    write_row(p.d, 0, tile * p.tile_rows + query / p.group, (kv * p.group + query % p.group) * p.size, sums, p.size);
  }
}

/// Adds what another thread gathered.
inline void merge(const Problem& p, int64_t queries, const Gathered& to, const Gathered& from) {
  for (int64_t query = 0; query < queries; ++query) {
    float &ours = to.largest_of(query), theirs = from.largest_of(query);
    const float now = std::max(ours, theirs);
    const float a = std::exp2(ours - now), b = std::exp2(theirs - now);
    for (int64_t i = 0; i < p.padded; i += kLanes) {
      float* const sums = to.sums + query * p.padded + i;
      store(sums, fma(set1(b), load(from.sums + query * p.padded + i), mul(set1(a), load(sums))));
    }
    float* const weights = to.weights + query * kLanes;
    store(weights, fma(set1(b), load(from.weights + query * kLanes), mul(set1(a), load(weights))));
    ours = now;
  }
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
  /// What a thread has joined of parts [first, last).
  void add(const Partials& all, uint32_t thread, int side, int64_t first, int64_t last) {
    for (int place = 0; first < last; ++place) {
      // The largest node of the tree that begins here and ends in time.
      const int64_t fits = int64_t(std::bit_floor(uint64_t(last - first)));
      const int64_t parts = first == 0 ? fits : std::min(first & -first, fits);
      add(first, parts, all.of(thread, side, place));
      first += parts;
    }
  }

 private:
  struct Node {
    int64_t first, parts;
    Gathered sum;
  };
  static bool is_pair(const Node& a, const Node& b) { return a.parts == b.parts && a.first % (2 * a.parts) == 0; }

  const Problem& p_;
  const int64_t queries_;
  int size_ = 0;
  Node nodes_[2 * 64];
};

/// Chunks of all heads and tiles lie in one line; a thread takes the parts that begin in its stretch of it.
/// attend(tile, kv, chunks, stretch, gathered) gathers one part; of this tile's chunks the thread will take `stretch`.
template <class Attend>
void attend_in_parts(const Problem& p, const assay_thread& thread, const Partials& partials, Attend attend) {
  int64_t total = 0;
  for (int64_t tile = 0; tile < p.tiles; ++tile) total += p.heads * p.chunks_of(tile);
  const auto cut = [&](uint32_t t) { return total * t / thread.count; };
  const auto each = [&](auto f) {
    int64_t begin = 0;
    for (int64_t kv = 0; kv < p.heads; ++kv)
      for (int64_t tile = 0; tile < p.tiles; begin += p.chunks_of(tile++)) f(tile, kv, begin);
  };
  // Of a tile whose chunks begin at `begin`, how many parts begin before a place of the line.
  const auto parts_before = [&](int64_t tile, int64_t begin, int64_t place) {
    return std::clamp<int64_t>((place - begin + kPart - 1) / kPart, 0, place <= begin ? 0 : p.parts_of(tile));
  };
  const auto parts_of = [&](uint32_t t, int64_t tile, int64_t begin) {
    return Range{parts_before(tile, begin, cut(t)), parts_before(tile, begin, cut(t + 1))};
  };
  bool any_split = false;
  each([&](int64_t tile, int64_t kv, int64_t begin) {
    const int64_t parts = p.parts_of(tile);
    const Range mine = parts_of(thread.index, tile, begin);
    for (uint32_t t = 1; t < thread.count; ++t) {
      const int64_t before = parts_before(tile, begin, cut(t));
      any_split |= before > 0 && before < parts;
    }
    if (mine.begin >= mine.end) return;
    const int side = mine.begin > 0 ? 0 : 1;
    Joined joined(p, p.rows_of(tile) * p.group);
    for (int64_t part = mine.begin; part < mine.end; ++part) {
      const Gathered g = partials.of(thread.index, side, joined.size());
      g.clear(p);
      attend(tile, kv, Range{part * kPart, std::min((part + 1) * kPart, p.chunks_of(tile))},
             Range{mine.begin * kPart, mine.end * kPart}, g);
      joined.add(part, 1, g);
    }
    if (mine.begin == 0 && mine.end == parts) finish(p, tile, kv, joined.whole());
  });
  if (!any_split) return;
  thread.barrier(&thread);
  each([&](int64_t tile, int64_t kv, int64_t begin) {
    const int64_t parts = p.parts_of(tile);
    const Range mine = parts_of(thread.index, tile, begin);
    if (mine.begin > 0 || mine.end == 0 || mine.end == parts) return;  // it is its first thread's to finish
    Joined joined(p, p.rows_of(tile) * p.group);
    for (uint32_t t = thread.index; t < thread.count; ++t) {
      const Range theirs = parts_of(t, tile, begin);
      joined.add(partials, t, t == thread.index ? 1 : 0, theirs.begin, theirs.end);
    }
    finish(p, tile, kv, joined.whole());
  });
}

}  // namespace assay
