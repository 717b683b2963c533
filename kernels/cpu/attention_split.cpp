// attention_split: chunks of the cache are widened once for all queries that share a head; softmax as it goes. Threads
// share the parts of all heads; sums of parts meet by the same tree for any number of threads, in the workspace. What
// it takes at least, of 14 heads over two of 64 values at 4,096: 2 MB read, 14.7 million multiplications and additions.
// Of few positions all is in attention_few.h.
#include "attention_columns.h"
#include "attention_few.h"
#include "attention_turned.h"

namespace assay {
namespace {

constexpr int64_t kMostQueries = 32;                              // rows × heads of one tile, about
constexpr int64_t kKeysTurned = kWholeColumns ? kChunk : kLanes;  // at once
constexpr int64_t kFirst = 16;  // positions whose values are asked for before any score is known

struct Space {  // of one thread
  float *queries, *keys, *rows, *values, *scores, *scales, *scaled;
  static size_t bytes(const Problem& p) {
    return size_t(p.groups() * kTogether * (p.turned + kChunk) + (kKeysTurned + kLanes) * p.turned +
                  kChunk * (p.padded + p.blocks() * (1 + kTogether)) + 64) *
           sizeof(float);
  }
  Space(const Problem& p, char* at) : queries(reinterpret_cast<float*>(at)) {
    keys = queries + p.groups() * kTogether * p.turned;
    rows = keys + kKeysTurned * p.turned;
    values = rows + kLanes * p.turned;
    scores = values + kChunk * p.padded;
    scales = scores + p.groups() * kTogether * kChunk;
    scaled = scales + kChunk * p.blocks();
  }
};

/// `count` rows from `first` on, zeros behind them, up to `rows`, and behind each row's end.
template <class T>
void pad(const Problem& p, const assay_tensor& t, int64_t head, int64_t first, int64_t count, int64_t rows, T* to) {
  constexpr int64_t kEach = std::is_same_v<T, Q8Block> ? 32 : 1;
  const int64_t size = p.size / kEach, turned = p.turned / kEach;
  for (int64_t j = 0; j < rows; ++j, to += turned) {
    if (j < count) memcpy(static_cast<void*>(to), cached<T>(t, head, first + j), size_t(size) * sizeof(T));
    const int64_t there = j < count ? size : 0;
    memset(static_cast<void*>(to + there), 0, size_t(turned - there) * sizeof(T));
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

/// Up to kLanes keys from `first` on, of those before `end`, as columns.
template <class T>
void turn_keys_at(const Problem& p, const Space& space, int64_t head, int64_t first, int64_t end,
                  typename Column<T>::Value* columns) {
  if (p.size == p.turned && first + kLanes <= end)
    return turn_keys(cached<T>(p.keys, head, first), p.keys.strides[1], p.turned, columns);
  auto* const rows = reinterpret_cast<T*>(space.rows);
  pad<T>(p, p.keys, head, first, std::min<int64_t>(kLanes, end - first), kLanes, rows);
  turn_keys(rows, p.turned / (std::is_same_v<T, Q8Block> ? 32 : 1), p.turned, columns);
}

/// Scores of a tile's queries against up to kLanes keys from `first` on, of those before `end`, turned in registers.
template <class T>
void score_rows_at(const Problem& p, const HeadShape& shape, const Space& space, int64_t kv, int64_t first, int64_t end,
                   int64_t queries, float* scores, Ahead& ahead) {
  const T* rows = cached<T>(p.keys, kv, first);
  int64_t stride = p.keys.strides[1];
  if (p.size != p.turned || first + kLanes > end) {
    auto* const padded = reinterpret_cast<T*>(space.rows);
    pad<T>(p, p.keys, kv, first, std::min<int64_t>(kLanes, end - first), kLanes, padded);
    rows = padded, stride = p.turned;
  }
  for (int64_t query = 0; query < queries; query += kTogether)
    score_rows_of_some(shape, int(std::min<int64_t>(kTogether, queries - query)), space.queries + query * p.turned,
                       rows, stride, scores + query * kChunk, ahead);
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

/// Groups of kTogether queries, as columns of keys have their values.
template <class T>
void load_queries(const Problem& p, int64_t tile, int64_t kv, const Space& space) {
  using V = typename Column<T>::Value;
  for (int64_t query = 0; query < p.rows_of(tile) * p.group; ++query) {
    const int64_t row = tile * p.tile_rows + query / p.group, head = kv * p.group + query % p.group;
    const float* from = widened_row(p.q, 0, row, head * p.size, p.size, space.rows);
    if constexpr (kWholeColumns) {
      float* to = space.queries + query / kTogether * kTogether * p.turned + query % kTogether;
      for (int64_t i = 0; i < p.size; ++i, to += kTogether) *to = from[i];
      continue;
    }
    if (p.size < p.turned) {
      if (from != space.rows) std::copy(from, from + p.size, space.rows);
      std::fill(space.rows + p.size, space.rows + p.turned, 0.0f);
      from = space.rows;
    }
    float* to = space.queries + query / kTogether * kTogether * p.turned + query % kTogether * 2;
    for (int64_t i = 0; i < p.turned; i += kRow<V>, from += kRow<V>, to += kRow<V> * kTogether)
#pragma GCC unroll 16
      for (int two = 0; two < kRow<V> / 2; ++two)
        memcpy(to + column_of<V>(two) * 2 * kTogether, from + 2 * two, 2 * sizeof(float));
  }
}

/// Of rows [first, first + count) the scales, block by block, kChunk apart; zeros behind them.
void read_scales(const Problem& p, const assay_tensor& t, int64_t head, int64_t first, int64_t count, float* to) {
  for (int64_t block = 0; block < p.blocks(); ++block, to += kChunk) {
    const Q8Block* row = cached<Q8Block>(t, head, first) + block;
    int64_t j = 0;
    for (; j + kLanes <= count; j += kLanes, row += kLanes * t.strides[1]) store(to + j, scales_of(row, t.strides[1]));
    for (; j < count; ++j, row += t.strides[1]) to[j] = to_float(row->scale);
    for (; j < kChunk; ++j) to[j] = 0;
  }
}

/// Scores of a tile's queries against `there` keys from `at` on, of those before `stop`.
template <class T>
void score_chunk(const Problem& p, const HeadShape& shape, const Space& space, int64_t kv, int64_t at, int64_t there,
                 int64_t stop, int64_t queries, Ahead& ahead) {
  if constexpr (kWholeColumns) {
    auto* const columns = reinterpret_cast<KeyColumn<T>*>(space.keys);
    for (int64_t j = 0; j < there; j += kLanes)
      turn_to_columns(cached<T>(p.keys, kv, at + j), p.keys.strides[1], std::min<int64_t>(kLanes, there - j), p.size,
                      columns + j);
    if constexpr (std::is_same_v<T, Q8Block>) read_scales(p, p.keys, kv, at, there, space.scales);
    for (int64_t query = 0; query < queries; query += kTogether)
      score_columns_of(shape, int(std::min<int64_t>(kTogether, queries - query)), (there + kLanes - 1) / kLanes,
                       space.queries + query * p.turned, columns, space.scales, space.scores + query * kChunk, ahead);
  } else {
    for (int64_t j = 0; j < there; j += kLanes) {
      if constexpr (kInRegisters<T>) {
        score_rows_at<T>(p, shape, space, kv, at + j, stop, queries, space.scores + j, ahead);
      } else {
        auto* const columns = reinterpret_cast<typename Column<T>::Value*>(space.keys);
        turn_keys_at<T>(p, space, kv, at + j, stop, columns);
        for (int64_t query = 0; query < queries; query += kTogether)
          score_some(shape, int(std::min<int64_t>(kTogether, queries - query)), space.queries + query * p.turned,
                     columns, space.scores + query * kChunk + j, ahead, static_cast<const T*>(nullptr));
      }
    }
  }
}

/// Sums of a chunk's values for `count` queries. Values are widened as they are used, or have been; of blocks it is
/// the weights that have their scales.
template <class T>
void gather_chunk(const Problem& p, const HeadShape& shape, const Space& space, int count, int64_t kv, int64_t at,
                  int64_t there, const float* weights, float* sums, Ahead& ahead) {
  const T* const values = cached<T>(p.values, kv, at);
  const int64_t stride = p.values.strides[1];
  if constexpr (std::is_same_v<T, Q8Block>)
    for (int64_t block = 0; block < p.blocks(); ++block)
      gather_some(shape, count, block * 32, block * 32 + 32, space.scaled + block * kTogether * kChunk, values, stride,
                  sums, there, ahead);
  else if (p.size == p.padded)
    gather_some(shape, count, 0, p.size, weights, values, stride, sums, there, ahead);
  else
    gather_some(shape, count, 0, p.padded, weights, space.values, p.padded, sums, there, ahead);
}

/// Chunks of a head of the cache, for all queries of a tile. The thread's own are those of `stretch`: what it needs
/// next but one is asked for.
template <class T>
void attend(const Problem& p, const Space& space, int64_t tile, int64_t kv, Range chunks, Range stretch,
            const Gathered& g) {
  const HeadShape shape{p.size, p.padded, p.turned, p.scale};
  const int64_t queries = p.rows_of(tile) * p.group, seen = p.seen_by(tile), end = std::min(stretch.end * kChunk, seen);
  const int64_t groups = (queries + kTogether - 1) / kTogether;
  // No more of them than there are.
  const int64_t key_steps = kWholeColumns ? p.size * std::max<int64_t>(1, queries * (kChunk / kLanes) / kMostSums)
                                          : kChunk / kLanes * p.turned / 4 * groups;
  const int64_t value_steps = kChunk * (kWholeColumns ? std::max<int64_t>(1, queries * (p.padded / kLanes) / kMostSums)
                                                      : (p.padded + 2 * kLanes - 1) / (2 * kLanes) * groups);
  const int64_t stop = std::min(chunks.end * kChunk, seen);
  for (int64_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    const int64_t at = chunk * kChunk, there = std::min(kChunk, seen - at);
    const bool all_seen = at + there <= p.seen_by(tile) - p.rows_of(tile) + 1;
    Ahead values = ahead_of<T>(p.values, kv, at, at + there, key_steps);
    Ahead keys = ahead_of<T>(p.keys, kv, at + kChunk, std::min(at + 2 * kChunk, end), value_steps);
    score_chunk<T>(p, shape, space, kv, at, there, stop, queries, values);
    constexpr bool kBlocks = std::is_same_v<T, Q8Block>;
    if constexpr (kBlocks) read_scales(p, p.values, kv, at, there, space.scales);
    if (p.size != p.padded) widen<T>(p, p.values, kv, at, there, space.values);
    for (int64_t query = 0; query < queries; query += kTogether) {
      const int count = int(std::min<int64_t>(kTogether, queries - query));
      float* const scores = space.scores + query * kChunk;
      float* const sums = g.sums + query * p.padded;
      int64_t sees[kTogether];
      for (int i = 0; i < count; ++i) sees[i] = all_seen ? there : p.seen_from(tile, query + i, at, there);
      const auto shrink = [&](int i, float factor) {
        for (float* of = sums + i * p.padded; of < sums + (i + 1) * p.padded; of += kLanes)
          store(of, mul(load(of), set1(factor)));
      };
      const auto put = [&](int i, int64_t position, Vec w0, Vec w1) {
        if (kLanes < 16 && sees[i] < position + kPair) {  // 2^-infinity is not 0 here
          w0 = first_of(w0, sees[i] - position, 0), w1 = first_of(w1, sees[i] - position - kLanes, 0);
        }
        if constexpr (!kBlocks) {
          store(scores + i * kChunk + position, w0), store(scores + i * kChunk + position + kLanes, w1);
          return;
        }
        const float* scales = space.scales + position;
        float* to = space.scaled + i * kChunk + position;
        for (int64_t block = 0; block < p.blocks(); ++block, scales += kChunk, to += kTogether * kChunk)
          store(to, mul(w0, load(scales))), store(to + kLanes, mul(w1, load(scales + kLanes)));
      };
      weigh(scores, sees, count, int64_t(round_up(size_t(there), kPair)), g.largest + query / kTogether * kLanes,
            g.weights + query * kLanes, shrink, put);
      gather_chunk<T>(p, shape, space, count, kv, at, there, scores, sums, keys);
    }
  }
}

size_t thread_bytes(const Problem& p) { return round_up(Space::bytes(p), 64) + Partials::bytes(p); }

template <class T>
void run_as(const Problem& p, const assay_thread& thread) {
  if constexpr (kLanes > 4)
    if (are_few(p)) return attend_to_few<T>(p, thread);
  char* const at = static_cast<char*>(p.call.workspace) + Partials::bytes(p);
  const Space space(p, at + thread_bytes(p) * thread.index);
  attend_in_parts(p, thread, {p, static_cast<char*>(p.call.workspace), thread_bytes(p)},
                  [&](int64_t tile, int64_t kv, Range chunks, Range stretch, const Gathered& g) {
                    if (chunks.begin == stretch.begin) {
                      const int64_t start = chunks.begin * kChunk, soon = std::min(start + kChunk, p.seen_by(tile));
                      ahead_of<T>(p.keys, kv, start, soon, 1).step();
                      ahead_of<T>(p.values, kv, start, std::min(start + kFirst, soon), 1).step();
                      load_queries<T>(p, tile, kv, space);
                    }
                    attend<T>(p, space, tile, kv, chunks, stretch, g);
                  });
}

Problem problem(const assay_call& call) {
  const bool is_float = find_tensor(call, ASSAY_CACHE)->dtype == ASSAY_F32;
  return {call, is_float ? kRow<float> : kRow<Half>, kMostQueries};
}

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
