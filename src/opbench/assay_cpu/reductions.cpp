// Sums, the largest's index, and BCE's mean.
#include <cmath>
#include <vector>

#include "line_argmax.h"
#include "opbench/row_axis.h"
#include "own_operations.h"
#include "vectors.h"

namespace assay {
namespace {

// Neighbouring lines at once: their running results stay in the first-level cache. Sums are smaller than what argmax
// keeps.
constexpr int64_t kTile = 1024, kSumTile = 2048;
constexpr int kChains = 4;
constexpr int64_t kBlock = 1 << 15;  // summed in f32 before it is added in f64

/// From memory (FAR) in streams that lie apart, told ahead: two keep it busier than one. From a cache in one.
template <bool FAR>
double sum_of_all(const float* x, int64_t count) {
  constexpr int kStreams = FAR ? 2 : 1, kOfStream = 2 * kChains / kStreams;
  const int64_t step = kOfStream * kLanes, each = count / kStreams / step * step;
  double total = 0;
  for (int64_t block = 0; block < each; block += kBlock) {
    Vec sums[kStreams][kOfStream];
    for (auto& stream : sums)
      for (Vec& s : stream) s = zero();
    for (int64_t i = block; i < std::min(each, block + kBlock); i += step)
      for (int s = 0; s < kStreams; ++s) {
        const float* p = x + s * each + i;
        for (int64_t line = 0; FAR && line < step; line += 16) __builtin_prefetch(p + line + kPrefetchBytes / 4, 0, 2);
        for (int c = 0; c < kOfStream; ++c) sums[s][c] = add(sums[s][c], load(p + c * kLanes));
      }
    for (auto& stream : sums) {
      Vec all = stream[0];
      for (int c = 1; c < kOfStream; ++c) all = add(all, stream[c]);
      total += double(sum(all));
    }
  }
  for (int64_t i = each * kStreams; i < count; ++i) total += double(x[i]);
  return total;
}

/// Sum over all threads of what part(begin, end) gives.
template <typename Part>
OwnRun total(const OperationRow& row, const ThreadTeam& team, double scale, Part part) {
  const int64_t count = row.inputs[0].elements();
  return [=](const void* const* inputs, void* output) {
    constexpr int kMostThreads = 1024;
    struct alignas(64) Sum {
      double value = 0;
    };
    thread_local std::vector<Sum> sums(kMostThreads);
    Sum* const all = sums.data();
    std::fill_n(all, kMostThreads, Sum());
    on_team(team, count >= kLeastShared, [&](int index, int threads) {
      const Share mine = share_of(count, 1024, index, threads);
      all[index % kMostThreads].value = part(inputs, mine.begin, mine.end);
    });
    double sum = 0;
    for (int i = 0; i < std::min(team.count, kMostThreads); ++i) sum += all[i].value;
    *static_cast<float*>(output) = float(sum * scale);
  };
}

inline Vec bce_term(Vec p, Vec t) {
  const Vec other = add(set1(1), mul(p, set1(-1)));
  // A probability of 0 is the one number whose logarithm is cut off: the least normal float's is -87.
  const auto log_of = [](Vec q) { return Vec(Floats(q) > 0 ? Floats(natural_log(q)) : Floats(set1(-100))); };
  const Vec yes = log_of(p), no = log_of(other);
  return fma(t, add(yes, mul(no, set1(-1))), no);
}

double bce_of(const float* p, const float* t, int64_t count) {
  double total = 0;
  int64_t i = 0;
  for (; i + kLanes <= count;) {
    Vec sums[2] = {zero(), zero()};
    const int64_t end = std::min(count, i + kBlock);
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
      __builtin_prefetch(p + i + 1024, 0, 2);
      __builtin_prefetch(t + i + 1024, 0, 2);
      for (int u = 0; u < 2; ++u) sums[u] = add(sums[u], bce_term(load(p + i + u * kLanes), load(t + i + u * kLanes)));
    }
    if (i + kLanes <= end) sums[0] = add(sums[0], bce_term(load(p + i), load(t + i))), i += kLanes;
    total += double(sum(add(sums[0], sums[1])));
  }
  for (; i < count; ++i) {
    const float yes = std::max(std::log(p[i]), -100.0f), no = std::max(std::log1p(-p[i]), -100.0f);
    total += double(t[i] * yes + (1 - t[i]) * no);
  }
  return total;
}

/// FAR: from memory, told ahead.
template <bool FAR>
float line_sum(const float* x, int64_t count) {
  Vec sums[kChains] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + kChains * kLanes <= count; i += kChains * kLanes)
    for (int c = 0; c < kChains; ++c) {
      if (FAR) __builtin_prefetch(x + i + c * kLanes + kPrefetchBytes / 4, 0, 2);
      sums[c] = add(sums[c], load(x + i + c * kLanes));
    }
  for (; i < count; i += kLanes) {
    const int part = int(std::min<int64_t>(kLanes, count - i));
    sums[0] = add(sums[0], load_part(x + i, part));
  }
  return sum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

template <bool FAR>
void line_sums(const float* x, int64_t count, int64_t lines, float* y) {
  for (int64_t l = 0; l < lines; ++l) y[l] = line_sum<FAR>(x + l * count, count);
}

/// Rows of a tile that are read together: what is kept of all rows is then touched so much more rarely.
template <int ROWS>
struct RowsOf {
  static constexpr int kCount = ROWS;
  Vec of[ROWS];
};

/// meet(i, values, j) for kLanes neighbours of kRows rows (or of one) from row j on; one(i, value, j) for the last
/// columns. What comes next is fetched ahead, for rows may lie too far apart for the processor to guess it.
template <int ROWS, typename Meet, typename One>
void meet_rows(const float* rows, const float* next, int64_t inner, int64_t width, int64_t j, const Meet& meet,
               const One& one) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    RowsOf<ROWS> values;
    for (int r = 0; r < ROWS; ++r) {
      __builtin_prefetch(next + r * inner + i, 0, 2);
      values.of[r] = load(rows + r * inner + i);
    }
    meet(i, values, j);
  }
  for (; i < width; ++i)
    for (int r = 0; r < ROWS; ++r) one(i, rows[r * inner + i], j + r);
}

template <int ROWS, typename Meet, typename One>
void over_rows(const float* x, const AxisShape& axis, int64_t width, Meet meet, One one) {
  int64_t j = 0;
  for (; j + ROWS <= axis.count; j += ROWS) {
    const float* rows = x + j * axis.inner;
    const float* next = width == axis.inner          ? rows + std::max(ROWS * width, kPrefetchBytes / 2)
                        : j + 2 * ROWS <= axis.count ? rows + ROWS * axis.inner
                                                     : x + width;
    meet_rows<ROWS>(rows, next, axis.inner, width, j, meet, one);
  }
  for (; j < axis.count; ++j) meet_rows<1>(x + j * axis.inner, x + width, axis.inner, width, j, meet, one);
}

constexpr int kStrip = 8;  // vectors of a row whose results stay in registers

/// Rows that follow one another, of one strip or two.
bool are_strips(const AxisShape& axis, int64_t width) {
  return width == axis.inner && width % (kStrip * kLanes) == 0 && width <= 2 * kStrip * kLanes;
}

/// Of each strip all rows.
void narrow_sum(const float* x, int64_t count, int64_t width, float* y) {
  for (int64_t strip = 0; strip < width; strip += kStrip * kLanes) {
    Vec sums[kStrip];
    for (Vec& s : sums) s = zero();
    const float* row = x + strip;
    for (int64_t j = 0; j < count; ++j, row += width)
      for (int c = 0; c < kStrip; ++c) {
        if (c % 4 == 0) __builtin_prefetch(row + c * kLanes + kPrefetchBytes / 4, 0, 2);
        sums[c] = add(sums[c], load(row + c * kLanes));
      }
    for (int c = 0; c < kStrip; ++c) store(y + strip + c * kLanes, sums[c]);
  }
}

void tile_sum(const float* x, const AxisShape& axis, int64_t width, float* y) {
  constexpr int kRows = 8;
  if (are_strips(axis, width)) return narrow_sum(x, axis.count, width, y);
  alignas(64) float sums[kSumTile];
  std::fill_n(sums, width, 0.0f);
  const auto meet = [&](int64_t i, const auto& v, int64_t) {
    Vec together = v.of[0];
    for (int r = 1; r < v.kCount; ++r) together = add(together, v.of[r]);
    store(sums + i, add(load(sums + i), together));
  };
  const auto one = [&](int64_t i, float value, int64_t) { sums[i] += value; };
  // Rows that follow one another come faster one by one, as one stream.
  width == axis.inner ? over_rows<1>(x, axis, width, meet, one) : over_rows<kRows>(x, axis, width, meet, one);
  std::memcpy(y, sums, size_t(width) * sizeof(float));
}

/// Vectors of a row whose largest, and where those are, stay in registers.
constexpr int kArgmaxStrip = kLanes < 16 ? 4 : 8;

/// What is known of a row's columns so far.
struct NarrowArgmax {
  alignas(64) float best[2 * kStrip * kLanes];
  alignas(64) int32_t where[2 * kStrip * kLanes];
};

/// Likewise the place of the largest, of `count` rows from the row `first` on: of each strip in turn, while the rows
/// are in a near cache. TOLD: what follows is told ahead.
template <bool TOLD>
void meet_narrow_argmax(const float* x, int64_t first, int64_t count, int64_t width, NarrowArgmax& of) {
  constexpr int64_t kAhead = 4096;
  for (int64_t strip = 0; strip < width; strip += kArgmaxStrip * kLanes) {
    Vec best[kArgmaxStrip];
    Ints where[kArgmaxStrip], place = Ints{} + int32_t(first);
    std::memcpy(where, of.where + strip, sizeof where);
    for (int c = 0; c < kArgmaxStrip; ++c) best[c] = load(of.best + strip + c * kLanes);
    const float* row = x + first * width + strip;
    for (int64_t j = 0; j < count; ++j, row += width, place += 1)
#pragma GCC unroll 8
      for (int c = 0; c < kArgmaxStrip; ++c) {
        if (TOLD && c * kLanes % 16 == 0) __builtin_prefetch(row + c * kLanes + kAhead, 0, 2);
        const Vec v = load(row + c * kLanes);
        where[c] = Floats(v) > Floats(best[c]) ? place : where[c];
        best[c] = larger(best[c], v);
      }
    std::memcpy(of.where + strip, where, sizeof where);
    for (int c = 0; c < kArgmaxStrip; ++c) store(of.best + strip + c * kLanes, best[c]);
  }
}

/// Of TOGETHER tables, `apart` tables from one another, some rows each by turns: 271 us from far, where one table took
/// 384 told ahead, four parts of each 390; the mover 313.
template <int TOGETHER>
void narrow_argmaxes(const float* x, int64_t count, int64_t width, int64_t apart, int64_t* y) {
  constexpr int64_t kRows = TOGETHER == 1 ? 32 : 4;
  NarrowArgmax of[TOGETHER];
  for (int t = 0; t < TOGETHER; ++t) {
    std::memcpy(of[t].best, x + t * apart * count * width, size_t(width) * sizeof(float));
    std::fill_n(of[t].where, width, 0);
  }
  for (int64_t j = 0; j < count; j += kRows)
    for (int t = 0; t < TOGETHER; ++t)
      meet_narrow_argmax<TOGETHER == 1>(x + t * apart * count * width, j, std::min(kRows, count - j), width, of[t]);
  for (int t = 0; t < TOGETHER; ++t)
    for (int64_t i = 0; i < width; ++i) y[t * apart * width + i] = of[t].where[i];
}

void tile_argmax(const float* x, const AxisShape& axis, int64_t width, int64_t* y) {
  if (are_strips(axis, width)) return narrow_argmaxes<1>(x, axis.count, width, 0, y);
  alignas(64) float best[kTile];
  alignas(64) int32_t where[kTile];
  std::memcpy(best, x, size_t(width) * sizeof(float));
  std::fill_n(where, width, 0);
  const auto meet = [&](int64_t i, const auto& v, int64_t j) {
    Floats most = Floats(load(best + i));
    Ints index;
    std::memcpy(&index, where + i, sizeof index);
    for (int r = 0; r < v.kCount; ++r) {
      index = Floats(v.of[r]) > most ? Ints{} + int32_t(j + r) : index;
      most = Floats(larger(Vec(most), v.of[r]));
    }
    std::memcpy(where + i, &index, sizeof index);
    store(best + i, Vec(most));
  };
  const auto one = [&](int64_t i, float value, int64_t j) {
    if (value > best[i]) best[i] = value, where[i] = int32_t(j);
  };
  width == axis.inner ? over_rows<8>(x, axis, width, meet, one) : over_rows<4>(x, axis, width, meet, one);
  for (int64_t i = 0; i < width; ++i) y[i] = where[i];
}

/// Tables whose rows are of a strip or two: kStreams of them together. How many are done.
int64_t together_argmax(const float* x, const AxisShape& axis, int64_t tables, int64_t* y) {
  if (kStreams == 1 || !are_strips(axis, axis.inner)) return 0;
  const int64_t each = tables / kStreams;
  for (int64_t t = 0; t < each; ++t)
    narrow_argmaxes<kStreams>(x + t * axis.count * axis.inner, axis.count, axis.inner, each, y + t * axis.inner);
  return each * kStreams;
}
int64_t none_together(const float*, const AxisShape&, int64_t, float*) { return 0; }

/// Lines along an axis, in tiles of neighbours where there are any.
template <typename Out, typename Lines, typename Together, typename Tile>
OwnRun along_axis(const OperationRow& row, const ThreadTeam& team, int64_t most, Lines lines, Together together,
                  Tile tile) {
  const AxisShape axis = axis_shape(row.shape(), row.axis);
  const int64_t tiles = (axis.inner + most - 1) / most, pieces = axis.outer * tiles;
  const bool shared = row.inputs[0].elements() >= kLeastShared;
  return [=](const void* const* inputs, void* output) {
    const float* x = static_cast<const float*>(inputs[0]);
    Out* y = static_cast<Out*>(output);
    on_team(team, shared, [&](int index, int threads) {
      const Share mine = share_of(pieces, axis.inner == 1 ? kLanes : 1, index, threads);
      if (axis.inner == 1) return lines(x + mine.begin * axis.count, axis.count, mine.end - mine.begin, y + mine.begin);
      int64_t piece = mine.begin;
      if (tiles == 1)
        piece += together(x + piece * axis.count * axis.inner, axis, mine.end - piece, y + piece * axis.inner);
      for (; piece < mine.end; ++piece) {
        const int64_t o = piece / tiles, begin = piece % tiles * most;
        tile(x + o * axis.count * axis.inner + begin, axis, std::min(most, axis.inner - begin),
             y + o * axis.inner + begin);
      }
    });
  };
}

}  // namespace

OwnRun make_reduction(const OperationRow& row, const ThreadTeam& team) {
  const auto at = [](const void* input, int64_t i) { return static_cast<const float*>(input) + i; };
  switch (row.operation) {
    case Operation::sum:
      return along_axis<float>(row, team, kSumTile, row.bytes_read >= kFarBytes ? line_sums<true> : line_sums<false>,
                               none_together, tile_sum);
    case Operation::argmax:
      return along_axis<int64_t>(
          row, team, kTile,
          [far = row.bytes_read >= kFarBytes](const float* x, int64_t count, int64_t lines, int64_t* y) {
            line_argmaxes(x, count, lines, y, far);
          },
          together_argmax, tile_argmax);
    case Operation::sum_all:
      return total(row, team, 1,
                   [at, far = row.bytes_read >= kFarBytes](const void* const* inputs, int64_t begin, int64_t end) {
                     const float* x = at(inputs[0], begin);
                     return far ? sum_of_all<true>(x, end - begin) : sum_of_all<false>(x, end - begin);
                   });
    case Operation::bce:
      return total(row, team, -1 / double(row.inputs[0].elements()),
                   [at](const void* const* inputs, int64_t begin, int64_t end) {
                     return bce_of(at(inputs[0], begin), at(inputs[1], begin), end - begin);
                   });
    default:
      return {};
  }
}

}  // namespace assay
