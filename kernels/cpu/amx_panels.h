// Products by AMX: rows of A in tiles, weights two tiles of 16 rows at a time, and what becomes of their products.
#pragma once
#include "amx.h"
#include "tiles.h"

namespace assay {

constexpr int64_t kMostTileRows = 16;             // of A in a tile register
constexpr int64_t kPanelColumns = 2 * kTileRows;  // products of a row of A with a panel, one tile's behind the other's

/// Rows of A in tiles of one height, a multiple of `granule`; only the last is shorter, and filled up with zeros.
struct RowTiles {
  int64_t rows, count, height;
  RowTiles(int64_t of_a, int64_t granule)
      : rows(of_a),
        count((of_a + kMostTileRows - 1) / kMostTileRows),
        height(int64_t(round_up(size_t((of_a + count - 1) / count), size_t(granule)))) {
    count = (of_a + height - 1) / height;
  }
  int64_t begin(int64_t tile) const { return tile * height; }
  int64_t size(Range tiles) const { return least(tiles.end * height, rows) - tiles.begin * height; }
};

/// Two tiles of weights: neighbours, or gate's and up's. A last one without a neighbour stands there twice.
struct Panel {
  int64_t tiles[2];
};

/// D of one segment, its rows written by whole vectors where all that they are made of is floats that lie together: an
/// Epilogue of 16 columns costs more than what it writes.
class TileOutput {
 public:
  TileOutput(const assay_call& call, uint32_t segment)
      : d_(*find_tensor(call, ASSAY_D, segment)),
        bias_(find_tensor(call, ASSAY_BIAS, segment)),
        epilogue_(call, segment),
        alpha_(param(call, ASSAY_ALPHA, 1)),
        beta_(param(call, ASSAY_BETA, 0)) {
    if (beta_ != 0) c_ = find_tensor(call, ASSAY_C, segment);
    is_whole_ = is_whole(&d_) && is_whole(c_) && is_whole(bias_);
  }

  /// `rows` rows of a tile of 16 columns; products lie kPanelColumns apart.
  void write(int64_t row, int64_t rows, int64_t tile, const float* products) const {
    const int64_t column = tile * kTileRows, count = least(kTileRows, d_.dims[2] - column);
    if (!is_whole_) {
      for (int64_t r = 0; r < rows; ++r) epilogue_.write(0, row + r, column, products + r * kPanelColumns, count);
      return;
    }
    const __mmask16 lanes = first_lanes(int(count));
    const __m512 alpha = _mm512_set1_ps(alpha_), beta = _mm512_set1_ps(beta_);
    const __m512 bias = bias_ ? _mm512_maskz_loadu_ps(lanes, row_of<float>(*bias_, 0, 0) + column) : zero();
    for (int64_t r = 0; r < rows; ++r) {
      __m512 v = _mm512_mul_ps(alpha, _mm512_loadu_ps(products + r * kPanelColumns));
      if (c_) v = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(lanes, row_of<float>(*c_, 0, row + r) + column), v);
      if (bias_) v = _mm512_add_ps(v, bias);
      _mm512_mask_storeu_ps(static_cast<float*>(d_.data) + (row + r) * d_.strides[1] + column, lanes, v);
    }
  }

 private:
  static bool is_whole(const assay_tensor* t) { return !t || (t->dtype == ASSAY_F32 && t->strides[2] == 1); }

  const assay_tensor &d_, *bias_, *c_ = nullptr;
  const Epilogue epilogue_;
  const float alpha_, beta_;
  bool is_whole_;
};

class Panels {
 public:
  explicit Panels(const assay_call& call)
      : call_(call), is_swiglu_(ends_in_swiglu(call)), tiles_(total_tiles(call)), pieces_((tiles_ + 1) / 2) {}

  int64_t count() const { return pieces_; }
  Panel at(int64_t i) const {
    if (is_swiglu_) return {{i, i + pieces_}};
    return {{2 * i, least(2 * i + 1, tiles_ - 1)}};
  }

  /// D's lines for `rows` rows from `row` on, asked for: they take as long as the products.
  void ask_for_output(const Panel& panel, int64_t row, int64_t rows) const {
    for (int64_t half = 0; half < (is_swiglu_ ? 1 : 2); ++half) {
      const TilePlace place(call_, panel.tiles[half]);
      const assay_tensor& d = *find_tensor(call_, ASSAY_D, place.segment);
      const int64_t size = d.dtype == ASSAY_F32 ? 4 : 2;
      const char* at =
          static_cast<const char*>(d.data) + (row * d.strides[1] + place.tile * kTileRows * d.strides[2]) * size;
      for (int64_t r = 0; r < rows; ++r, at += d.strides[1] * size) __builtin_prefetch(at, 1, 3);
    }
  }

  /// Products of `rows` rows of A from `row` on, 16 with each tile, into D. Changes them.
  void write(const Panel& panel, int64_t row, int64_t rows, float* products) const {
    if (is_swiglu_)
      for (int64_t r = 0; r < rows; ++r) {
        float* const gate = products + r * kPanelColumns;
        store(gate, swiglu(load(gate), load(gate + kTileRows)));
      }
    const TilePlace first(call_, panel.tiles[0]), second(call_, panel.tiles[1]);
    TileOutput(call_, first.segment).write(row, rows, first.tile, products);
    if (!is_swiglu_ && panel.tiles[1] != panel.tiles[0])
      TileOutput(call_, second.segment).write(row, rows, second.tile, products + kTileRows);
  }

 private:
  const assay_call& call_;
  const bool is_swiglu_;
  const int64_t tiles_, pieces_;
};

}  // namespace assay
