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
    const TilePlace first(call_, panel.tiles[0]), second(call_, panel.tiles[1]);
    const Epilogue epilogue(call_, first.segment);
    const int64_t n = find_tensor(call_, ASSAY_B, first.segment)->dims[1], column = first.tile * kTileRows;
    const int64_t of_first = least(kTileRows, n - column);
    if (is_swiglu_) {
      for (int64_t r = 0; r < rows; ++r, products += kPanelColumns) {
        swiglu_of(products, products + kTileRows, kTileRows, products);
        epilogue.write(0, row + r, column, products, of_first);
      }
      return;
    }
    const bool is_one_piece = second.segment == first.segment && second.tile == first.tile + 1;
    for (int64_t r = 0; r < rows; ++r)
      epilogue.write(0, row + r, column, products + r * kPanelColumns,
                     is_one_piece ? least(kPanelColumns, n - column) : of_first);
    if (is_one_piece || panel.tiles[1] == panel.tiles[0]) return;
    const Epilogue other(call_, second.segment);
    const int64_t of_second =
        least(kTileRows, find_tensor(call_, ASSAY_B, second.segment)->dims[1] - second.tile * kTileRows);
    for (int64_t r = 0; r < rows; ++r)
      other.write(0, row + r, second.tile * kTileRows, products + r * kPanelColumns + kTileRows, of_second);
  }

 private:
  const assay_call& call_;
  const bool is_swiglu_;
  const int64_t tiles_, pieces_;
};

}  // namespace assay
