// MatMul, Linear, Conv1d and Conv2d: products of rows with panels of B. A window of an image is a row of several
// pieces, so nothing is copied together.
#include <cmath>
#include <vector>

#include "own_operations.h"
#include "product_tile.h"

namespace assay {
namespace {

constexpr int64_t kRowsBytes = 256 << 10;               // of A, that meet all panels before the next rows do
constexpr int64_t kStreamedProduct = int64_t(4) << 20;  // bytes of an output; what is computed hides the way to memory
constexpr int64_t kPieceOfK = 512;                      // of a product that is split along k
constexpr int64_t kMostOfTold = 32;                     // columns of a product that reads A once: one panel
constexpr int64_t kMostOfSplit = 32;  // columns of such a product: a piece of B stays in the near caches

/// A row as a product: batches of [m, k] times [k, n].
struct ProductSizes {
  int64_t batches = 1, m = 1, n = 1, k = 1;
  bool b_per_batch = false, b_transposed = false, has_bias = false;
  // Of a window: m are the places along the last spatial dimension of one line of outputs, batches the lines.
  int64_t segments = 1, a_segment = 0, row_step = 0;
  int64_t lines = 1, line_step = 0, picture_step = 0;
};

ProductSizes sizes_of(const OperationRow& row) {
  ProductSizes s;
  const Dims &x = row.inputs[0].dims, &w = row.inputs[1].dims;
  s.n = row.output.dims.back();
  if (row.operation == Operation::conv1d || row.operation == Operation::conv2d) {
    const bool flat = x.size() == 3;
    const int64_t channels = x.back(), height = flat ? 1 : x[1], width = flat ? x[1] : x[2];
    s.segments = flat ? 1 : w[1];
    s.k = (flat ? w[1] : w[2]) * channels;
    s.a_segment = s.line_step = width * channels;
    s.row_step = channels;
    s.m = row.output.dims[row.output.dims.size() - 2];
    s.lines = height - s.segments + 1;
    s.picture_step = height * width * channels;
    s.batches = x[0] * s.lines;
    s.b_transposed = true;
    return s;
  }
  s.k = s.row_step = x.back();
  s.has_bias = row.operation == Operation::linear;
  const int64_t rows = row.output.elements() / s.n;
  s.b_per_batch = w.size() > 2;
  s.m = s.b_per_batch ? x[x.size() - 2] : rows;
  s.batches = rows / s.m;
  s.picture_step = s.m * s.k;
  return s;
}

/// B in panels of `width` columns, zeros behind the last; [panel][k][width].
void pack(const float* b, const ProductSizes& s, int width, float* to) {
  const int64_t k_all = s.k * s.segments;
  for (int64_t j = 0; j < s.n; j += width) {
    const int columns = int(std::min<int64_t>(width, s.n - j));
    for (int64_t k = 0; k < k_all; ++k, to += width) {
      for (int c = 0; c < columns; ++c) to[c] = s.b_transposed ? b[(j + c) * k_all + k] : b[k * s.n + j + c];
      for (int c = columns; c < width; ++c) to[c] = 0;
    }
  }
}

struct Operands {
  const float *a, *b, *bias;
  float* y;
};

class Product {
 public:
  Product(const OperationRow& row, const ThreadTeam& team)
      : s_(sizes_of(row)),
        team_(team),
        tile_(tile_kind(s_.n, s_.segments == 1 && s_.n <= kMostOfTold && row.inputs[0].bytes() >= kFarBytes)) {
    panels_ = (s_.n + tile_.width - 1) / tile_.width;
    panel_size_ = s_.k * s_.segments * tile_.width;
    const bool whole_lines = s_.n % tile_.lanes == 0 && s_.n * 4 % 64 == 0;
    end_ = row.output.bytes() >= kStreamedProduct && whole_lines ? TileEnd::stream : TileEnd::store;
    // An eight-wide tile fills half a cache line at a time: neighbouring rows fill the other half at once.
    if (s_.n == 8 && tile_.lanes == 8 && row.output.bytes() >= kStreamedProduct) end_ = TileEnd::stream;
    b_is_panel_ = !s_.b_transposed && s_.n == tile_.width;
    const int64_t copies = s_.b_per_batch ? team.count : 1;
    if (!b_is_panel_) packed_.resize(size_t(panels_ * panel_size_ * copies + 16));
    if (s_.has_bias) bias_.resize(size_t(panels_ * tile_.width), 0);
  }

  void run(const void* const* inputs, void* output) {
    const Operands o{static_cast<const float*>(inputs[0]), static_cast<const float*>(inputs[1]),
                     s_.has_bias ? static_cast<const float*>(inputs[2]) : nullptr, static_cast<float*>(output)};
    if (!s_.b_per_batch && !b_is_panel_) pack(o.b, s_, tile_.width, packed());
    if (s_.has_bias) std::copy_n(o.bias, s_.n, bias_.data());
    on_team(
        team_, double(s_.batches) * double(s_.m) * double(s_.n * s_.k) >= 64.0 * kLeastShared,
        [&](int index, int threads) { s_.b_per_batch ? own_batches(o, index, threads) : own_rows(o, index, threads); });
  }

 private:
  float* packed() { return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(packed_.data()) + 63) / 64 * 64); }

  void own_batches(const Operands& o, int index, int threads) {
    const Share mine = share_of(s_.batches, 1, index, threads);
    float* const space = b_is_panel_ ? nullptr : packed() + index * panels_ * panel_size_;
    for (int64_t batch = mine.begin; batch < mine.end; ++batch) {
      const float* b = o.b + batch * s_.k * s_.n;
      if (!b_is_panel_) pack(b, s_, tile_.width, space);
      rows(o, batch, 0, s_.m, b_is_panel_ ? b : space);
    }
    if (end_ == TileEnd::stream) streams_done();
  }

  /// One B for all: shares of all rows.
  void own_rows(const Operands& o, int index, int threads) {
    const Share mine = share_of(s_.batches * s_.m, tile_.most_rows, index, threads);
    const float* b = b_is_panel_ ? o.b : packed();
    for (int64_t at = mine.begin; at < mine.end;) {
      const int64_t batch = at / s_.m, first = at % s_.m, count = std::min(s_.m - first, mine.end - at);
      rows(o, batch, first, first + count, b);
      at += count;
    }
    if (end_ == TileEnd::stream) streams_done();
  }

  void rows(const Operands& o, int64_t batch, int64_t begin, int64_t end, const float* b) {
    const float* a = o.a + batch / s_.lines * s_.picture_step + batch % s_.lines * s_.line_step;
    float* y = o.y + batch * s_.m * s_.n;
    TileShape shape{s_.k, s_.segments, s_.a_segment, s_.row_step, tile_.width, s_.n, b};
    const int64_t block =
        std::max<int64_t>(kRowsBytes / 4 / (s_.k * s_.segments) / tile_.most_rows, 1) * tile_.most_rows;
    for (int64_t first = begin; first < end; first += block)
      for (int64_t panel = 0; panel < panels_; ++panel) {
        const int columns = int(std::min<int64_t>(tile_.width, s_.n - panel * tile_.width));
        const float* bias = s_.has_bias ? bias_.data() + panel * tile_.width : nullptr;
        for (int64_t i = first; i < std::min(end, first + block);) {
          const int count = int(std::min<int64_t>(tile_.most_rows, std::min(end, first + block) - i));
          // Each tile tells its share of the next B, which lies behind this one.
          if (s_.b_per_batch && b_is_panel_)
            shape.next_b = b + s_.k * s_.n + i * s_.k * s_.n / s_.m, shape.next_b_step = count * s_.n / s_.m;
          tile_.of_rows[count](a + i * s_.row_step, b + panel * panel_size_, y + i * s_.n + panel * tile_.width, shape,
                               bias, columns, end_);
          i += count;
        }
      }
  }

  ProductSizes s_;
  ThreadTeam team_;
  TileKind tile_;
  int64_t panels_ = 1, panel_size_ = 0;
  TileEnd end_ = TileEnd::store;
  bool b_is_panel_ = false;
  std::vector<float> packed_, bias_;
};

/// Few rows and columns, and a long k: each thread takes pieces of k and sums for itself.
class SplitProduct {
 public:
  SplitProduct(const OperationRow& row, const ThreadTeam& team)
      : s_(sizes_of(row)), team_(team), tile_(tile_kind(s_.n)) {
    sums_.resize(size_t(s_.m * s_.n * team.count));
  }
  /// B's rows must be whole panels as they lie.
  static bool fits(const OperationRow& row, int threads) {
    if (row.operation != Operation::matmul) return false;
    const ProductSizes s = sizes_of(row);
    return s.batches == 1 && s.n % tile_kind(s.n).width == 0 && s.n <= kMostOfSplit && s.m < 64 * threads &&
           s.k > 64 * s.m;
  }
  void run(const void* const* inputs, void* output) {
    const float *a = static_cast<const float*>(inputs[0]), *b = static_cast<const float*>(inputs[1]);
    on_team(team_, true, [&](int index, int threads) {
      float* sums = sums_.data() + index * s_.m * s_.n;
      std::fill_n(sums, s_.m * s_.n, 0.0f);
      const Share mine = share_of(s_.k, 16, index, threads);
      for (int64_t k = mine.begin; k < mine.end; k += kPieceOfK) {
        const TileShape shape{std::min(kPieceOfK, mine.end - k), 1, 0, s_.k, s_.n, s_.n};
        for (int64_t j = 0; j < s_.n; j += tile_.width)
          for (int64_t i = 0; i < s_.m; i += tile_.most_rows)
            tile_.of_rows[std::min<int64_t>(tile_.most_rows, s_.m - i)](
                a + i * s_.k + k, b + k * s_.n + j, sums + i * s_.n + j, shape, nullptr, tile_.width, TileEnd::add);
      }
    });
    float* y = static_cast<float*>(output);
    std::copy_n(sums_.data(), s_.m * s_.n, y);
    for (int t = 1; t < team_.count; ++t)
      for (int64_t i = 0; i < s_.m * s_.n; ++i) y[i] += sums_[size_t(t * s_.m * s_.n + i)];
  }

 private:
  ProductSizes s_;
  ThreadTeam team_;
  TileKind tile_;
  std::vector<float> sums_;
};

/// Dots of ROWS neighbouring rows of A with b, which is loaded once for all; of each row some vectors at a time. FAR: A
/// comes from memory, told ahead.
template <int ROWS, bool FAR>
void dots(const float* a, const float* b, int64_t count, float bias, float* y) {
  constexpr int kAtOnce = 4, kChains = ROWS == 1 ? 4 : ROWS <= 5 || kLanes == 16 ? 2 : 1;
  Vec sums[ROWS][kChains];
  for (auto& row : sums)
    for (Vec& each : row) each = zero();
  int64_t i = 0;
  for (; i + kAtOnce * kLanes <= count; i += kAtOnce * kLanes) {
    Vec shared[kAtOnce];
    for (int c = 0; c < kAtOnce; ++c) shared[c] = load(b + i + c * kLanes);
#pragma GCC unroll 10
    for (int r = 0; r < ROWS; ++r) {
      const float* row = a + r * count + i;
#pragma GCC unroll 4
      for (int c = 0; c < kAtOnce; ++c) {
        if (FAR) __builtin_prefetch(row + c * kLanes + 1024, 0, 2);
        sums[r][c % kChains] = fma(load(row + c * kLanes), shared[c], sums[r][c % kChains]);
      }
    }
  }
  for (int r = 0; r < ROWS; ++r) {
    Vec all = sums[r][0];
    for (int c = 1; c < kChains; ++c) all = add(all, sums[r][c]);
    float sum_of_row = sum(all);
    for (int64_t t = i; t < count; ++t) sum_of_row += a[r * count + t] * b[t];
    y[r] = sum_of_row + bias;
  }
}

/// One column: a dot a row. Ten rows come from a far cache faster than five (129 us, 138; the mover 117), if each gives
/// 256 bytes at a time: a cache line at a time they took longer.
template <bool FAR>
OwnRun make_column(const OperationRow& row, const ThreadTeam& team) {
  constexpr int64_t kMany = 10, kSome = 5;
  const ProductSizes s = sizes_of(row);
  return [=](const void* const* inputs, void* output) {
    const float *a = static_cast<const float*>(inputs[0]), *b = static_cast<const float*>(inputs[1]);
    const float bias = s.has_bias ? *static_cast<const float*>(inputs[2]) : 0;
    float* y = static_cast<float*>(output);
    on_team(team, s.m * s.k >= kLeastShared, [&](int index, int threads) {
      const Share mine = share_of(s.m, 1, index, threads);
      int64_t i = mine.begin;
      for (; !FAR && i + kMany <= mine.end; i += kMany) dots<kMany, FAR>(a + i * s.k, b, s.k, bias, y + i);
      for (; i + kSome <= mine.end; i += kSome) dots<kSome, FAR>(a + i * s.k, b, s.k, bias, y + i);
      for (; i < mine.end; ++i) dots<1, FAR>(a + i * s.k, b, s.k, bias, y + i);
    });
  };
}

/// One row a batch: B is read once as it lies, a vector of sums for each stretch of its columns.
template <bool FAR>
void own_row(const float* a, const float* b, const ProductSizes& s, float* y) {
  constexpr int kWide = 8;
  for (int64_t j = 0; j < s.n; j += kWide * kLanes) {
    const float* from = b + j;
    Vec sums[kWide];
    for (Vec& each : sums) each = zero();
    for (int64_t k = 0; k < s.k; ++k, from += s.n) {
      const Vec value = set1(a[k]);
      for (int u = 0; u < kWide; ++u) {
        if (FAR) __builtin_prefetch(from + 16 * s.n + u * kLanes, 0, 2);
        sums[u] = fma(value, load(from + u * kLanes), sums[u]);
      }
    }
    for (int u = 0; u < kWide; ++u) store(y + j + u * kLanes, sums[u]);
  }
}

OwnRun make_row(const OperationRow& row, const ThreadTeam& team) {
  const ProductSizes s = sizes_of(row);
  const auto one = row.bytes_read >= kFarBytes ? own_row<true> : own_row<false>;
  return [=](const void* const* inputs, void* output) {
    const float *a = static_cast<const float*>(inputs[0]), *b = static_cast<const float*>(inputs[1]);
    on_team(team, s.batches * s.k * s.n >= kLeastShared, [&](int index, int threads) {
      const Share mine = share_of(s.batches, 1, index, threads);
      for (int64_t batch = mine.begin; batch < mine.end; ++batch)
        one(a + batch * s.k, b + batch * s.k * s.n, s, static_cast<float*>(output) + batch * s.n);
    });
  };
}

}  // namespace

OwnRun make_product(const OperationRow& row, const ThreadTeam& team) {
  switch (row.operation) {
    case Operation::matmul:
    case Operation::linear:
    case Operation::conv1d:
    case Operation::conv2d:
      break;
    default:
      return {};
  }
  const ProductSizes s = sizes_of(row);
  if (s.n == 1 && !s.b_per_batch && !s.b_transposed)
    return row.bytes_read >= kPagesBytes ? make_column<true>(row, team) : make_column<false>(row, team);
  if (s.m == 1 && s.b_per_batch && s.n % (8 * kLanes) == 0) return make_row(row, team);
  if (SplitProduct::fits(row, team.count)) return run_of<SplitProduct>(row, team);
  return run_of<Product>(row, team);
}

}  // namespace assay
