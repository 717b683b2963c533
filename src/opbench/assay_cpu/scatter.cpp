// Scatter, ScatterSum, ScatterMax: each thread takes a part of the values and a table of its own, then the tables meet.
#include <vector>

#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

constexpr int64_t kLeastValues = 1 << 16;  // shared among threads

/// Whether all indices are rows: eight at a time, as fast as they come from memory.
bool all_within(const int64_t* index_of, Share mine, int64_t rows) {
  constexpr int64_t kTogether = 8;
  uint64_t outside[kTogether] = {};
  int64_t i = mine.begin;
  for (; i + kTogether <= mine.end; i += kTogether)
    for (int64_t u = 0; u < kTogether; ++u) outside[u] |= uint64_t(uint64_t(index_of[i + u]) >= uint64_t(rows));
  uint64_t any = 0;
  for (const uint64_t each : outside) any |= each;
  for (; i < mine.end; ++i) any |= uint64_t(uint64_t(index_of[i]) >= uint64_t(rows));
  return any == 0;
}

/// Which value each row of the output gets last: sought from the end, until every row has been met.
class LastWriters {
 public:
  LastWriters(int64_t rows, int threads) : rows_(rows), tables_(size_t(rows * threads)) {}

  void find(const int64_t* index_of, Share mine, int thread) {
    int64_t* last = tables_.data() + thread * rows_;
    std::fill_n(last, rows_, int64_t(-1));
    if (!all_within(index_of, mine, rows_)) __builtin_trap();
    int64_t found = 0;
    for (int64_t i = mine.end; i-- > mine.begin && found < rows_;) {
      const int64_t to = index_of[i];
      found += last[to] < 0;
      last[to] = std::max(last[to], i);
    }
  }
  int64_t of(int64_t row, int threads) const {
    int64_t last = -1;
    for (int t = 0; t < threads; ++t) last = std::max(last, tables_[size_t(t * rows_ + row)]);
    return last;
  }

 private:
  int64_t rows_;
  std::vector<int64_t> tables_;
};

OwnRun make_last(const OperationRow& row, const ThreadTeam& team) {
  const int64_t rows = row.output.dims[0], columns = row.output.dims[1], added = row.inputs[1].elements();
  const bool shared = added >= kLeastValues;
  const auto writers = std::make_shared<LastWriters>(rows, team.count);
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
    on_team(team, true,
            [&](int index, int threads) { writers->find(index_of, share_of(added, 8, index, threads), index); });
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t last = writers->of(r, team.count);
      std::memcpy(y + r * columns, last < 0 ? x + r * columns : v + last * columns, size_t(columns) * sizeof(float));
    }
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

template <typename Meet>
void meet_rows(const int64_t* index_of, const float* v, int64_t rows, int64_t columns, Share mine, float* table) {
  constexpr int64_t kAhead = 64, kNext = 8;  // rows
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const int64_t to = index_of[i];
    if (uint64_t(to) >= uint64_t(rows)) __builtin_trap();
    const int64_t next = index_of[std::min(i + kNext, mine.end - 1)];
    for (int64_t c = 0; c < columns; c += 16) {
      __builtin_prefetch(v + (i + kAhead) * columns + c, 0, 2);
      __builtin_prefetch(table + next * columns + c, 1, 3);
    }
    meet_row<Meet>(table + to * columns, v + i * columns, columns);
  }
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
