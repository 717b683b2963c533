// Scatter, ScatterSum, ScatterMax: each thread takes a part of the values and a table of its own, then the tables meet.
#include <atomic>
#include <vector>

#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

constexpr int64_t kLeastValues = 1 << 16;  // shared among threads

/// Whether all indices are rows: the sign of an index, or of how far it is from the last row, tells.
__attribute__((always_inline)) inline bool all_within(const int64_t* index_of, Share mine, int64_t rows) {
  constexpr int kChains = 8;
  constexpr int64_t kOfVector = kLanes / 2;
  typedef uint64_t Indices __attribute__((vector_size(kOfVector * sizeof(int64_t))));
  const uint64_t last = uint64_t(rows) - 1;
  Indices signs[kChains] = {};
  int64_t i = mine.begin;
  for (; i + kChains * kOfVector <= mine.end; i += kChains * kOfVector)
    for (int c = 0; c < kChains; ++c) {
      Indices index;
      std::memcpy(&index, index_of + i + c * kOfVector, sizeof index);
      signs[c] |= index | (last - index);
    }
  Indices sign = {};
  for (const Indices& each : signs) sign |= each;
  uint64_t any = 0;
  for (int lane = 0; lane < kOfVector; ++lane) any |= sign[lane];
  for (; i < mine.end; ++i) any |= uint64_t(index_of[i]) | (last - uint64_t(index_of[i]));
  return int64_t(any) >= 0;
}

inline void copy_row(const float* from, float* to, int64_t columns) {
  if (columns % kLanes != 0) return void(std::memcpy(to, from, size_t(columns) * sizeof(float)));
  for (int64_t c = 0; c < columns; c += kLanes) store(to + c, load(from + c));
}

/// LEVEL: of the cache, as the builtin counts: 2 the second, 3 the first.
template <int LEVEL = 2>
inline void fetch_row(const float* row, int64_t columns) {
  for (int64_t c = 0; c < columns; c += 16) __builtin_prefetch(row + c, 0, LEVEL);
}

/// Rows of an output, each from the last value that goes there.
class LastWriters {
 public:
  explicit LastWriters(int64_t rows) : last_(size_t(rows)) {}

  /// False where an index that it looked at is no row.
  bool find(const int64_t* index_of, int64_t count) {
    // Of drawn indices so many leave one row in 3,000 out. They are written down in order, for nobody can guess whether
    // a row has been met already; what is left out after all is sought from there towards the beginning.
    constexpr int64_t kOfEachRow = 8;
    std::fill(last_.begin(), last_.end(), int64_t(-1));
    const int64_t rows = int64_t(last_.size()), tail = std::max<int64_t>(count - kOfEachRow * rows, 0);
    if (!all_within(index_of, {tail, count}, rows)) return false;
    for (int64_t i = tail; i < count; ++i) last_[size_t(index_of[i])] = i;
    int64_t unmet = std::count(last_.begin(), last_.end(), int64_t(-1));
    for (int64_t i = tail; i-- > 0 && unmet > 0;) {
      const uint64_t to = uint64_t(index_of[i]);
      if (to >= last_.size()) return false;
      if (last_[to] < 0) last_[to] = i, --unmet;
    }
    return true;
  }

  /// Where row r of the output comes from.
  const float* source(int64_t r, const float* x, const float* v, int64_t columns) const {
    return last_[size_t(r)] < 0 ? x + r * columns : v + last_[size_t(r)] * columns;
  }

 private:
  std::vector<int64_t> last_;
};

OwnRun make_last(const OperationRow& row, const ThreadTeam& team) {
  constexpr int64_t kChecked = 1 << 15;  // indices: who has time takes that many more
  constexpr int64_t kFetched = 256;      // rows that are fetched together, and copied while the next ones are
  const int64_t rows = row.output.dims[0], columns = row.output.dims[1], added = row.inputs[1].elements();
  const bool shared = added >= kLeastValues;
  const auto writers = std::make_shared<LastWriters>(rows);
  return [=](const void* const* inputs, void* output) {
    const float *x = static_cast<const float*>(inputs[0]), *v = static_cast<const float*>(inputs[2]);
    const int64_t* index_of = static_cast<const int64_t*>(inputs[1]);
    float* y = static_cast<float*>(output);
    if (!shared) {  // few values: written one after the other
      std::memcpy(y, x, size_t(rows * columns) * sizeof(float));
      for (int64_t i = 0; i < added; ++i) {
        if (uint64_t(index_of[i]) >= uint64_t(rows)) __builtin_trap();
        copy_row(v + i * columns, y + index_of[i] * columns, columns);
      }
      return;
    }
    // The first thread seeks, which few indices decide, while the others begin to check all; then it copies what it
    // found beside checking.
    std::atomic<int64_t> next = 0;
    on_team(team, true, [&](int index, int) {
      const bool is_first = index == 0;
      if (is_first && !writers->find(index_of, added)) __builtin_trap();
      int64_t fetched = 0, copied = 0;
      const auto copy_some = [&] {
        for (; copied < fetched; ++copied)
          copy_row(writers->source(copied, x, v, columns), y + copied * columns, columns);
        for (const int64_t end = std::min(rows, fetched + kFetched); fetched < end; ++fetched)
          fetch_row(writers->source(fetched, x, v, columns), columns);
      };
      for (int64_t at; (at = next.fetch_add(kChecked, std::memory_order_relaxed)) < added;) {
        if (is_first) copy_some();
        if (!all_within(index_of, {at, std::min(added, at + kChecked)}, rows)) __builtin_trap();
      }
      while (is_first && copied < rows) copy_some();
    });
  };
}

struct Plus {
  static float start() { return 0; }
  static Vec of(Vec a, Vec b) { return add(a, b); }
  static float of(float a, float b) { return a + b; }
};
struct Larger {
  static float start() { return -std::numeric_limits<float>::infinity(); }
  static Vec of(Vec a, Vec b) { return larger(a, b); }
  static float of(float a, float b) { return std::max(a, b); }
};

template <typename Meet>
void meet_row(float* to, const float* v, int64_t columns) {
  int64_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) store(to + c, Meet::of(load(to + c), load(v + c)));
  for (; c < columns; ++c) to[c] = Meet::of(to[c], v[c]);
}

/// VECTORS: of a row, where they are known to be so many; 0: as many as there are columns. Values come in two streams.
/// FAR: from memory, and told ahead by 8 KB; untold they came a third slower where memory gives 90 GB/s. By 1 KB they
/// are told to the nearest cache, where their loads wait on those of the table: 0 to 9 % less on a Xeon. Indices are
/// checked a block at a time, here: a call for each block took a tenth.
template <typename Meet, int VECTORS, bool FAR>
void meet_rows_of(const int64_t* index_of, const float* v, int64_t rows, int64_t columns, Share mine, float* table) {
  constexpr int kStreams = 2;
  constexpr int64_t kBlock = 64;  // rows: few, so that values wait for few indices
  constexpr int64_t kIndicesAhead = 512;
  if (VECTORS > 0) columns = VECTORS * kLanes;
  const auto rows_of = [columns](int64_t elements) { return std::max<int64_t>(elements / columns, 1) * columns; };
  const int64_t ahead = rows_of(2048), soon = rows_of(256);
  const int64_t each = (mine.end - mine.begin) / kStreams / kBlock * kBlock;
  for (int64_t begin = 0; begin < each; begin += kBlock) {
    for (int s = 0; s < kStreams; ++s) {
      const int64_t at = mine.begin + s * each + begin;
      for (int64_t i = 0; FAR && i < kBlock; i += 8) __builtin_prefetch(index_of + at + kIndicesAhead + i, 0, 2);
      if (!all_within(index_of, {at, at + kBlock}, rows)) __builtin_trap();
    }
    for (int64_t i = begin; i < begin + kBlock; ++i)
      for (int s = 0; s < kStreams; ++s) {
        const int64_t r = mine.begin + s * each + i;
        if (FAR) fetch_row(v + r * columns + ahead, columns);
        if (FAR) fetch_row<3>(v + r * columns + soon, columns);
        meet_row<Meet>(table + index_of[r] * columns, v + r * columns, columns);
      }
  }
  for (int64_t i = mine.begin + kStreams * each; i < mine.end; ++i) {
    if (uint64_t(index_of[i]) >= uint64_t(rows)) __builtin_trap();
    meet_row<Meet>(table + index_of[i] * columns, v + i * columns, columns);
  }
}

template <typename Meet, bool FAR>
auto meeting_of(int64_t columns) {
  return columns == kLanes       ? meet_rows_of<Meet, 1, FAR>
         : columns == 2 * kLanes ? meet_rows_of<Meet, 2, FAR>
         : columns == 4 * kLanes ? meet_rows_of<Meet, 4, FAR>
                                 : meet_rows_of<Meet, 0, FAR>;
}

/// A table for each thread. No row of whole vectors lies across two cache lines more than it must, and no two threads
/// share one.
class Tables {
 public:
  Tables(int64_t elements, int count)
      : elements_(elements), stride_((elements + 15) / 16 * 16 + 16), memory_(size_t(stride_ * count + 16)) {}
  float* of(int index) {
    const uintptr_t first = (reinterpret_cast<uintptr_t>(memory_.data()) + 63) / 64 * 64;
    return reinterpret_cast<float*>(first) + index * stride_;
  }
  int64_t elements() const { return elements_; }

 private:
  int64_t elements_, stride_;
  std::vector<float> memory_;
};

template <typename Meet>
OwnRun make_meeting(const OperationRow& row, const ThreadTeam& team) {
  const int64_t rows = row.output.dims[0], columns = row.output.dims[1], added = row.inputs[1].elements();
  const bool shared = added >= kLeastValues && team.count > 1;
  const auto meet = row.bytes_read >= kFarBytes ? meeting_of<Meet, true>(columns) : meeting_of<Meet, false>(columns);
  const auto tables = std::make_shared<Tables>(rows * columns, shared ? team.count : 0);
  return [=](const void* const* inputs, void* output) {
    const float *x = static_cast<const float*>(inputs[0]), *v = static_cast<const float*>(inputs[2]);
    const int64_t* index_of = static_cast<const int64_t*>(inputs[1]);
    float* y = static_cast<float*>(output);
    std::memcpy(y, x, size_t(rows * columns) * sizeof(float));
    if (!shared) return meet(index_of, v, rows, columns, {0, added}, y);
    on_team(team, true, [&](int index, int threads) {
      float* table = tables->of(index);
      std::fill_n(table, tables->elements(), Meet::start());
      meet(index_of, v, rows, columns, share_of(added, 1, index, threads), table);
    });
    for (int t = 0; t < team.count; ++t) meet_row<Meet>(y, tables->of(t), tables->elements());
  };
}

}  // namespace

OwnRun make_scatter(const OperationRow& row, const ThreadTeam& team) {
  switch (row.operation) {
    case Operation::scatter:
      return make_last(row, team);
    case Operation::scatter_sum:
      return make_meeting<Plus>(row, team);
    case Operation::scatter_max:
      return make_meeting<Larger>(row, team);
    default:
      return {};
  }
}

}  // namespace assay
