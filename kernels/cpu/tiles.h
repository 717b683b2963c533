// Weights repacked to tiles of 16 rows: where a tile lies, how threads share tiles, what becomes of its products.
#pragma once
#include "gate_and_up.h"

namespace assay {

constexpr int64_t kTileRows = 16, kMostRowsOfA = 8;  // rows of A that a tile in registers serves at once

/// Of T tiles, of each row of A: 16 outputs.
using Products = float (*)[kMostRowsOfA][kTileRows];

inline int64_t tiles_of(const assay_tensor& b) { return (b.dims[1] + kTileRows - 1) / kTileRows; }

/// Of all segments.
inline int64_t total_tiles(const assay_call& call) {
  int64_t total = 0;
  for (uint32_t s = 0; s < segment_count(call); ++s) total += tiles_of(*find_tensor(call, ASSAY_B, s));
  return total;
}

/// A tile of one of the segments.
struct TilePlace {
  uint32_t segment = 0;
  int64_t tile;
  TilePlace(const assay_call& call, int64_t of_all) : tile(of_all) {
    for (int64_t count; tile >= (count = tiles_of(*find_tensor(call, ASSAY_B, segment))); ++segment) tile -= count;
  }
};

/// repack(b, tile of b, to) for this thread's share of tiles, `bytes` each.
template <class Repack>
void repack_tiles(const assay_call& call, const assay_thread& thread, void* prepared, int64_t bytes, Repack repack) {
  const Range mine = share(total_tiles(call), 1, thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const TilePlace place(call, i);
    repack(*find_tensor(call, ASSAY_B, place.segment), place.tile, static_cast<uint8_t*>(prepared) + i * bytes);
  }
}

inline void write_tile(const assay_call& call, int64_t of_all, int64_t row, int64_t rows,
                       const float (*products)[kTileRows]) {
  const TilePlace place(call, of_all);
  const Epilogue epilogue(call, place.segment);
  const int64_t n = find_tensor(call, ASSAY_B, place.segment)->dims[1], column = place.tile * kTileRows;
  for (int64_t r = 0; r < rows; ++r) epilogue.write(0, row + r, column, products[r], least(kTileRows, n - column));
}

template <int64_t M, class Tiles>
void multiply_up_to(int64_t rows, const Tiles& tiles, int64_t tile, int64_t row, Products products) {
  if (rows == M) return tiles.template multiply<M, 1>(tile, 0, row, products);
  if constexpr (M > 1) multiply_up_to<M - 1>(rows, tiles, tile, row, products);
}

/// What a row of gate's and up's products make of each other, into D.
inline void write_swiglu(const Epilogue& epilogue, int64_t n, int64_t tile, int64_t row, float* gate, const float* up) {
  const int64_t column = tile * kTileRows;
  swiglu_of(gate, up, kTileRows, gate);
  epilogue.write(0, row, column, gate, least(kTileRows, n - column));
}

/// Gate and up of a single row of A: some tiles of one, then the same of the other. Memory that is read by turns in
/// pieces as small as a tile comes slowly: each turn begins another stream.
template <class Tiles>
void multiply_gate_then_up(const Tiles& tiles, int64_t apart, int64_t n, Range mine, const Epilogue& epilogue) {
  constexpr int64_t kInARow = 16;
  float products[2][kInARow][kMostRowsOfA][kTileRows];
  for (int64_t first = mine.begin; first < mine.end; first += kInARow) {
    const int64_t count = least(kInARow, mine.end - first);
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t i = 0; i < count; ++i)
        tiles.template multiply<1, 1>(first + i + half * apart, 0, 0, products[half] + i);
    for (int64_t i = 0; i < count; ++i) write_swiglu(epilogue, n, first + i, 0, products[0][i][0], products[1][i][0]);
  }
}

/// Gate and up: of each a tile, and what they make. Of a single row of A both at once, as two streams, or some by
/// turns.
template <bool kBothAtOnce, class Tiles>
void multiply_gate_and_up(const assay_call& call, const assay_thread& thread, const Tiles& tiles) {
  const int64_t m = find_tensor(call, ASSAY_A)->dims[1], n = find_tensor(call, ASSAY_B)->dims[1];
  const int64_t apart = tiles_of(*find_tensor(call, ASSAY_B));
  const Epilogue epilogue(call, 0);
  const Range mine = share(apart, 1, thread);
  if (!kBothAtOnce && m == 1) return multiply_gate_then_up(tiles, apart, n, mine, epilogue);
  float products[2][kMostRowsOfA][kTileRows];
  for (int64_t i = mine.begin; i < mine.end; ++i)
    for (int64_t row = 0; row < m; row += kMostRowsOfA) {
      const int64_t rows = least(kMostRowsOfA, m - row);
      if (kBothAtOnce && m == 1) {
        tiles.template multiply<1, 2>(i, apart, 0, products);
      } else {
        multiply_up_to<kMostRowsOfA>(rows, tiles, i, row, products);
        multiply_up_to<kMostRowsOfA>(rows, tiles, i + apart, row, products + 1);
      }
      for (int64_t r = 0; r < rows; ++r) write_swiglu(epilogue, n, i, row + r, products[0][r], products[1][r]);
    }
}

/// This thread's share of D. tiles.multiply<M, T>(tile, apart, row, products): rows row … row + M - 1 of A with T tiles
/// that lie `apart` tiles from each other. A single row of A is met by kTogether tiles at once: as many streams.
template <int64_t kTogether, class Tiles>
void multiply_tiles(const assay_call& call, const assay_thread& thread, const Tiles& tiles) {
  if (ends_in_swiglu(call)) return multiply_gate_and_up<(kTogether > 1)>(call, thread, tiles);
  const int64_t m = find_tensor(call, ASSAY_A)->dims[1];
  const Range mine = share(total_tiles(call), 1, thread);
  const int64_t each = m == 1 ? (mine.end - mine.begin) / kTogether : 0;
  float products[kTogether][kMostRowsOfA][kTileRows];
  for (int64_t i = mine.begin; i < mine.begin + each; ++i) {
    tiles.template multiply<1, kTogether>(i, each, 0, products);
    for (int64_t t = 0; t < kTogether; ++t) write_tile(call, i + t * each, 0, 1, products[t]);
  }
  for (int64_t i = mine.begin + each * kTogether; i < mine.end; ++i)
    for (int64_t row = 0; row < m; row += kMostRowsOfA) {
      const int64_t rows = least(kMostRowsOfA, m - row);
      multiply_up_to<kMostRowsOfA>(rows, tiles, i, row, products);
      write_tile(call, i, row, rows, products[0]);
    }
}

}  // namespace assay
