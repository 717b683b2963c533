// attention_split: chunks of the cache are widened once for all queries that share a head; softmax as it goes. Threads
// share the parts of all heads; sums of parts meet by the same tree for any number of threads, in the workspace. What
// it takes at least, of 14 heads over two of 64 values at 4,096: 2 MB read, 14.7 million multiplications and additions.
#include "attention_lanes.h"
#include "attention_parts.h"

namespace assay {
namespace {

constexpr int64_t kMostQueries = 32;  // rows × heads of one tile, about

struct Space {  // of one thread
  float *queries, *keys[2], *rows, *values, *scores;
  static size_t bytes(const Problem& p) {
    return size_t(p.groups() * kTogether * (p.padded + kChunk) + (3 * kPair + kChunk) * p.padded + 64) * sizeof(float);
  }
  Space(const Problem& p, char* at) : queries(reinterpret_cast<float*>(at)) {
    keys[0] = queries + p.groups() * kTogether * p.padded;
    keys[1] = keys[0] + kPair * p.padded;
    rows = keys[1] + kPair * p.padded;
    values = rows + kPair * p.padded;
    scores = values + kChunk * p.padded;
  }
};

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

/// Chunks of a head of the cache, for all queries of a tile. The thread's own are those of `stretch`: what it needs
/// next but one is asked for.
template <class T>
void attend(const Problem& p, const Space& space, int64_t tile, int64_t kv, Range chunks, Range stretch,
            const Gathered& g) {
  const HeadShape shape{p.size, p.padded, p.scale};
  const int64_t queries = p.rows_of(tile) * p.group, seen = p.seen_by(tile), end = std::min(stretch.end * kChunk, seen);
  const bool in_place = p.size == p.padded;  // values are widened as they are used
  const int64_t groups = (queries + kTogether - 1) / kTogether;
  const int64_t key_steps = kChunk / kPair * p.padded * groups;
  const int64_t value_steps = kChunk * ((p.padded + kAcross * kLanes - 1) / (kAcross * kLanes)) * groups;
  const int64_t stop = std::min(chunks.end * kChunk, seen);
  int side = 0;
  keys_at<T>(p, space, kv, chunks.begin * kChunk, stop, side).turn();
  for (int64_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    const int64_t at = chunk * kChunk, there = std::min(kChunk, seen - at);
    const int64_t next = at + (chunk == stretch.begin ? 1 : 2) * kChunk, after = std::min(at + 3 * kChunk, end);
    Ahead keys = ahead_of<T>(p.keys, kv, next, after, key_steps);
    Ahead values = ahead_of<T>(p.values, kv, next, after, value_steps);
    for (int64_t j = at; j < at + there; j += kPair, side ^= 1) {
      Keys<T> others;
      if (j + kPair < stop) others = keys_at<T>(p, space, kv, j + kPair, stop, side ^ 1);
      for (int64_t query = 0; query < queries; query += kTogether, others.pieces = 0)
        score_some(shape, int(std::min<int64_t>(kTogether, queries - query)), space.queries + query * p.padded,
                   reinterpret_cast<const typename Keys<T>::V*>(space.keys[side]),
                   space.scores + query * kChunk + j - at, keys, others);
    }
    if (!in_place) widen<T>(p, p.values, kv, at, there, space.values);
    for (int64_t query = 0; query < queries; query += kTogether) {
      const int count = int(std::min<int64_t>(kTogether, queries - query));
      float* const scores = space.scores + query * kChunk;
      float* const sums = g.sums + query * p.padded;
      int64_t sees[kTogether];
      for (int i = 0; i < count; ++i) sees[i] = p.seen_from(tile, query + i, at, there);
      const auto shrink = [&](int i, float factor) {
        for (float* of = sums + i * p.padded; of < sums + (i + 1) * p.padded; of += kLanes)
          store(of, mul(load(of), set1(factor)));
      };
      const auto put = [&](int i, int64_t position, Vec w0, Vec w1) {
        store(scores + i * kChunk + position, w0), store(scores + i * kChunk + position + kLanes, w1);
      };
      weigh(scores, sees, count, int64_t(round_up(size_t(there), kPair)), g.largest + query / kTogether * kLanes,
            g.weights + query * kLanes, shrink, put);
      if constexpr (kLanes < 16)  // 2^-infinity is not 0 here
        for (int i = 0; i < count; ++i) std::fill(scores + i * kChunk + sees[i], scores + i * kChunk + there, 0.0f);
      if (in_place)
        gather_some(shape, count, scores, cached<T>(p.values, kv, at), p.values.strides[1], sums, there, values);
      else
        gather_some(shape, count, scores, space.values, p.padded, sums, there, values);
    }
  }
}

size_t thread_bytes(const Problem& p) { return round_up(Space::bytes(p), 64) + Partials::bytes(p); }

template <class T>
void run_as(const Problem& p, const assay_thread& thread) {
  char* const at = static_cast<char*>(p.call.workspace) + Partials::bytes(p);
  const Space space(p, at + thread_bytes(p) * thread.index);
  attend_in_parts(p, thread, {p, static_cast<char*>(p.call.workspace), thread_bytes(p)},
                  [&](int64_t tile, int64_t kv, Range chunks, Range stretch, const Gathered& g) {
                    if (chunks.begin == stretch.begin) {
                      const int64_t start = chunks.begin * kChunk, soon = std::min(start + kChunk, p.seen_by(tile));
                      ahead_of<T>(p.keys, kv, start, soon, 1).step();
                      ahead_of<T>(p.values, kv, start, soon, 1).step();
                      load_queries(p, tile, kv, space);
                    }
                    attend<T>(p, space, tile, kv, chunks, stretch, g);
                  });
}

Problem problem(const assay_call& call) { return {call, kLanes, kMostQueries}; }

size_t workspace_bytes(const assay_call* call, uint32_t threads) { return thread_bytes(problem(*call)) * threads; }

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_ATTENTION || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  Problem p = problem(*call);
  p.position = index_at(*call, 0);
  if (p.keys.layout == ASSAY_BLOCKS) run_as<Q8Block>(p, *thread);
  with_type(p.keys.dtype, [&](auto* type) { run_as<std::remove_pointer_t<decltype(type)>>(p, *thread); });
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("attention_split", assay::workspace_bytes, nullptr, nullptr, assay::run)
