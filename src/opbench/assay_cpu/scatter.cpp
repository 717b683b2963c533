// Scatter, ScatterSum, ScatterMax: each thread takes a part of the values and a table of its own, then the tables meet.
#include <atomic>
#include <vector>

#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

constexpr int64_t kLeastValues = 1 << 16;  // shared among threads

/// Whether all indices are rows: the largest, as numbers without a sign, tells.
bool all_within(const int64_t* index_of, Share mine, int64_t rows) {
  constexpr int64_t kTogether = 16;
  uint64_t most[kTogether] = {};
  int64_t i = mine.begin;
  for (; i + kTogether <= mine.end; i += kTogether)
    for (int64_t u = 0; u < kTogether; ++u) most[u] = std::max(most[u], uint64_t(index_of[i + u]));
  for (; i < mine.end; ++i) most[0] = std::max(most[0], uint64_t(index_of[i]));
  return *std::max_element(most, most + kTogether) < uint64_t(rows);
}

/// Rows of an output, each from the last value that goes there: sought from the end, until every row has been met.
class LastWriters {
 public:
  explicit LastWriters(int64_t rows) : last_(size_t(rows)) {}

  /// Begins to fetch what it finds. False where an index is no row.
  bool find(const int64_t* index_of, int64_t count, const float* v, int64_t columns) {
    std::fill(last_.begin(), last_.end(), int64_t(-1));
    size_t found = 0;
    for (int64_t i = count; i-- > 0 && found < last_.size();) {
      const uint64_t to = uint64_t(index_of[i]);
      if (to >= last_.size()) return false;
      if (last_[to] >= 0) continue;
      last_[to] = i, ++found;
      for (int64_t c = 0; c < columns; c += 16) __builtin_prefetch(v + i * columns + c, 0, 3);
    }
    return true;
  }
  int64_t of(int64_t row) const { return last_[size_t(row)]; }

 private:
  std::vector<int64_t> last_;
};

OwnRun make_last(const OperationRow& row, const ThreadTeam& team) {
  constexpr int64_t kChecked = 1 << 13;  // indices: who has time takes that many more
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
        std::memcpy(y + index_of[i] * columns, v + i * columns, size_t(columns) * sizeof(float));
      }
      return;
    }
    // The first thread seeks and copies, which few indices decide, while the others begin to check all.
    std::atomic<int64_t> next = 0;
    on_team(team, true, [&](int index, int) {
      if (index == 0) {
        if (!writers->find(index_of, added, v, columns)) __builtin_trap();
        for (int64_t r = 0; r < rows; ++r)
          std::memcpy(y + r * columns, (writers->of(r) < 0 ? x + r * columns : v + writers->of(r) * columns),
                      size_t(columns) * sizeof(float));
      }
      for (int64_t at; (at = next.fetch_add(kChecked, std::memory_order_relaxed)) < added;)
        if (!all_within(index_of, {at, std::min(added, at + kChecked)}, rows)) __builtin_trap();
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

/// VECTORS: of a row, where they are known to be so many; 0: as many as there are columns.
template <typename Meet, int VECTORS>
void meet_rows_of(const int64_t* index_of, const float* v, int64_t rows, int64_t columns, Share mine, float* table) {
  constexpr int64_t kAhead = 2048, kNext = 8;  // elements; rows
  if (VECTORS > 0) columns = VECTORS * kLanes;
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t to = index_of[i];
    if (uint64_t(to) >= uint64_t(rows)) __builtin_trap();
    const int64_t next = index_of[std::min(i + kNext, mine.end - 1)];
    for (int64_t c = 0; c < columns; c += 16) {
      __builtin_prefetch(v + i * columns + kAhead + c, 0, 2);
      __builtin_prefetch(table + next * columns + c, 1, 3);
    }
    meet_row<Meet>(table + to * columns, v + i * columns, columns);
  }
}

template <typename Meet>
void meet_rows(const int64_t* index_of, const float* v, int64_t rows, int64_t columns, Share mine, float* table) {
  const auto meet = columns == kLanes       ? meet_rows_of<Meet, 1>
                    : columns == 2 * kLanes ? meet_rows_of<Meet, 2>
                                            : meet_rows_of<Meet, 0>;
  meet(index_of, v, rows, columns, mine, table);
}

template <typename Meet>
OwnRun make_meeting(const OperationRow& row, const ThreadTeam& team) {
  const int64_t rows = row.output.dims[0], columns = row.output.dims[1], added = row.inputs[1].elements();
  const bool shared = added >= kLeastValues && team.count > 1;
  const int64_t size = (rows * columns + 15) / 16 * 16 + 16;  // tables of two threads share no cache line
  const auto tables = std::make_shared<std::vector<float>>(shared ? size_t(size * team.count) : 0);
  return [=](const void* const* inputs, void* output) {
    const float *x = static_cast<const float*>(inputs[0]), *v = static_cast<const float*>(inputs[2]);
    const int64_t* index_of = static_cast<const int64_t*>(inputs[1]);
    float* y = static_cast<float*>(output);
    std::memcpy(y, x, size_t(rows * columns) * sizeof(float));
    if (!shared) return meet_rows<Meet>(index_of, v, rows, columns, {0, added}, y);
    on_team(team, true, [&](int index, int threads) {
      float* table = tables->data() + index * size;
      std::fill_n(table, rows * columns, Meet::start());
      meet_rows<Meet>(index_of, v, rows, columns, share_of(added, 1, index, threads), table);
    });
    for (int t = 0; t < team.count; ++t) meet_row<Meet>(y, tables->data() + t * size, rows * columns);
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
