// Sort: lines side by side in the lanes of vectors, by Batcher's odd-even merging network: a comparison is a minimum
// and a maximum, and no branch depends on a value.
#include <vector>

#include "opbench/row_axis.h"
#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

constexpr int64_t kMostByNetwork =
    1 << 14;  // elements of a line: kLanes such lines still fit a second-level cache or nearly

inline void exchange(float* a, float* b) {
  const Vec x = load(a), y = load(b);
  store(a, smaller(x, y));
  store(b, larger(x, y));
}

/// Merges two sorted halves of the elements `step` apart, `count` of them, from `v` on.
void merge(float* v, int64_t count, int64_t step) {
  if (count == 2) return exchange(v, v + step * kLanes);
  merge(v, count / 2, step * 2);
  merge(v + step * kLanes, count / 2, step * 2);
  for (int64_t i = 1; i + 1 < count; i += 2) exchange(v + i * step * kLanes, v + (i + 1) * step * kLanes);
}

/// The recursion ends in the stages of a network that stays in registers.
template <int COUNT>
void sort_few(float* v) {
  Vec r[COUNT];
  for (int i = 0; i < COUNT; ++i) r[i] = load(v + i * kLanes);
  for (int p = 1; p < COUNT; p *= 2)
    for (int k = p; k >= 1; k /= 2)
      for (int j = k % p; j + k < COUNT; j += 2 * k)
        for (int i = 0; i < k; ++i)
          if (i + j + k < COUNT && (i + j) / (p * 2) == (i + j + k) / (p * 2)) {
            const Vec low = smaller(r[i + j], r[i + j + k]);
            r[i + j + k] = larger(r[i + j], r[i + j + k]);
            r[i + j] = low;
          }
  for (int i = 0; i < COUNT; ++i) store(v + i * kLanes, r[i]);
}

void sort_lanes(float* v, int64_t count) {
  if (count == 16) return sort_few<16>(v);
  if (count == 8) return sort_few<8>(v);
  if (count < 2) return;
  if (count == 2) return exchange(v, v + kLanes);
  sort_lanes(v, count / 2);
  sort_lanes(v + count / 2 * kLanes, count / 2);
  merge(v, count, 1);
}

/// Up to kLanes lines whose elements lie `along` apart, the lines themselves `across`.
void sort_lines(const float* x, float* y, int64_t count, int lines, int64_t along, int64_t across, float* space) {
  int64_t padded = 1;
  while (padded < count) padded *= 2;
  for (int64_t j = 0; j < padded; ++j) store(space + j * kLanes, set1(std::numeric_limits<float>::infinity()));
  constexpr int64_t kBlock = 16;  // of elements: a cache line of each line at a time
  for (int64_t j = 0; j < count; j += kBlock)
    for (int l = 0; l < lines; ++l)
      for (int64_t k = j; k < std::min(count, j + kBlock); ++k) space[k * kLanes + l] = x[k * along + l * across];
  sort_lanes(space, padded);
  for (int64_t j = 0; j < count; j += kBlock)
    for (int l = 0; l < lines; ++l)
      for (int64_t k = j; k < std::min(count, j + kBlock); ++k) y[k * along + l * across] = space[k * kLanes + l];
}

/// The same where the lines lie side by side: whole vectors in and out.
void sort_neighbours(const float* x, float* y, int64_t count, int64_t along, float* space) {
  int64_t padded = 1;
  while (padded < count) padded *= 2;
  for (int64_t j = 0; j < padded; ++j)
    store(space + j * kLanes, j < count ? load(x + j * along) : set1(std::numeric_limits<float>::infinity()));
  sort_lanes(space, padded);
  for (int64_t j = 0; j < count; ++j) store(y + j * along, load(space + j * kLanes));
}

void sort_by_library(const float* x, float* y, int64_t count, int64_t along, std::vector<float>& space) {
  space.resize(size_t(count));
  for (int64_t j = 0; j < count; ++j) space[size_t(j)] = x[j * along];
  std::sort(space.begin(), space.end());
  for (int64_t j = 0; j < count; ++j) y[j * along] = space[size_t(j)];
}

}  // namespace

OwnRun make_sort(const OperationRow& row, const ThreadTeam& team) {
  if (row.operation != Operation::sort) return {};
  const AxisShape axis = axis_shape(row.shape(), row.axis);
  // Groups of kLanes lines: neighbours along the inner dimension, or, where that is one, along the outer.
  const int64_t across = axis.inner > 1 ? 1 : axis.count, side = axis.inner > 1 ? axis.inner : axis.outer;
  const int64_t groups = (side + kLanes - 1) / kLanes, pieces = (axis.inner > 1 ? axis.outer : 1) * groups;
  return [=](const void* const* inputs, void* output) {
    const float* x = static_cast<const float*>(inputs[0]);
    float* y = static_cast<float*>(output);
    on_team(team, row.output.elements() >= kLeastShared / 4, [&](int index, int threads) {
      thread_local std::vector<float> memory;
      memory.resize(size_t(2 * std::min(axis.count, kMostByNetwork) * kLanes + 16));
      float* space = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) / 64 * 64);
      thread_local std::vector<float> line;
      const Share mine = share_of(pieces, 1, index, threads);
      for (int64_t piece = mine.begin; piece < mine.end; ++piece) {
        const int64_t first = piece % groups * kLanes,
                      begin = piece / groups * axis.count * axis.inner + first * across;
        const int lines = int(std::min<int64_t>(kLanes, side - first));
        if (axis.count > kMostByNetwork)
          for (int l = 0; l < lines; ++l)
            sort_by_library(x + begin + l * across, y + begin + l * across, axis.count, axis.inner, line);
        else if (axis.inner > 1 && lines == kLanes)
          sort_neighbours(x + begin, y + begin, axis.count, axis.inner, space);
        else
          sort_lines(x + begin, y + begin, axis.count, lines, axis.inner, across, space);
      }
    });
  };
}

}  // namespace assay
