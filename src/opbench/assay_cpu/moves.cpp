// Concat and Gather: rows copied to where they belong.
#include "opbench/row_axis.h"
#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

/// AHEAD: what follows `from` is wanted next. Of that a line a step is told: where memory is fast, a line each takes a
/// quarter longer.
template <bool STREAMED, bool AHEAD>
inline void copy_whole(const float* from, float* to, int64_t count) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    if (AHEAD) __builtin_prefetch(from + i + kAheadOfCopy, 0, 2);
    const Vec a = load(from + i), b = load(from + i + kLanes), c = load(from + i + 2 * kLanes),
              d = load(from + i + 3 * kLanes);
    put<STREAMED>(to + i, a), put<STREAMED>(to + i + kLanes, b);
    put<STREAMED>(to + i + 2 * kLanes, c), put<STREAMED>(to + i + 3 * kLanes, d);
  }
  for (; i < count; i += kLanes) put<STREAMED>(to + i, load(from + i));
}

/// Pieces that are whole cache lines may pass the caches.
bool whole_lines(int64_t elements) { return elements * 4 % 64 == 0; }

OwnRun make_concat(const OperationRow& row, const ThreadTeam& team) {
  const int64_t outer = axis_shape(row.inputs[0].dims, row.axis).outer;
  const int64_t first = row.inputs[0].elements() / outer, second = row.inputs[1].elements() / outer;
  const bool streamed = row.output.bytes() >= kStreamedBytes && whole_lines(first) && whole_lines(second);
  return [=](const void* const* inputs, void* output) {
    const float *a = static_cast<const float*>(inputs[0]), *b = static_cast<const float*>(inputs[1]);
    float* y = static_cast<float*>(output);
    const auto copy = [streamed](const float* from, float* to, int64_t count) {
      if (streamed)
        copy_whole<true, true>(from, to, count);
      else
        std::memcpy(to, from, size_t(count) * sizeof(float));
    };
    on_team(team, row.output.elements() >= kLeastShared, [&](int index, int threads) {
      // Shares of elements, not of lines: there may be one line only.
      const Share mine = share_of(outer * (first + second), 1024, index, threads);
      int64_t line = mine.begin / (first + second), within = mine.begin % (first + second);
      for (int64_t at = mine.begin; at < mine.end;) {
        const bool in_first = within < first;
        const int64_t left = std::min((in_first ? first : first + second) - within, mine.end - at);
        copy(in_first ? a + line * first + within : b + line * second + within - first, y + at, left);
        at += left, within += left;
        if (within == first + second) ++line, within = 0;
      }
      if (streamed) streams_done();
    });
  };
}

OwnRun make_gather(const OperationRow& row, const ThreadTeam& team) {
  const int64_t rows = row.output.dims[0], columns = row.output.dims[1], limit = row.inputs[0].dims[0];
  const bool streamed = row.output.bytes() >= kStreamedBytes && whole_lines(columns);
  return [=](const void* const* inputs, void* output) {
    const float* x = static_cast<const float*>(inputs[0]);
    const int64_t* index_of = static_cast<const int64_t*>(inputs[1]);
    float* y = static_cast<float*>(output);
    on_team(team, rows * columns >= kLeastShared, [&](int index, int threads) {
      const Share mine = share_of(rows, 1, index, threads);
      for (int64_t i = mine.begin; i < mine.end; ++i) {
        const int64_t from = index_of[i];
        if (from < 0 || from >= limit) __builtin_trap();
        if (streamed)
          copy_whole<true, false>(x + from * columns, y + i * columns, columns);
        else if (columns % kLanes == 0)
          copy_whole<false, false>(x + from * columns, y + i * columns, columns);
        else
          std::memcpy(y + i * columns, x + from * columns, size_t(columns) * sizeof(float));
      }
      if (streamed) streams_done();
    });
  };
}

}  // namespace

OwnRun make_moves(const OperationRow& row, const ThreadTeam& team) {
  if (row.operation == Operation::concat) return make_concat(row, team);
  if (row.operation == Operation::gather) return make_gather(row, team);
  return {};
}

}  // namespace assay
