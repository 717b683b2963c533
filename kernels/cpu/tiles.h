// Weights repacked to tiles of 16 rows: where a tile lies, how threads share tiles, what becomes of its products.
#pragma once
#include "first_lines.h"
#include "gate_and_up.h"

namespace assay {

constexpr int64_t kTileRows = 16;

/// Rows of A in blocks, as equal as they can be: the rows of a block meet a tile while it is in registers.
struct RowBlocks {
  int64_t rows, count;
  RowBlocks(int64_t of_a, int64_t most) : rows(of_a), count((of_a + most - 1) / most) {}
  int64_t begin(int64_t block) const { return rows * block / count; }
  int64_t size(int64_t block) const { return begin(block + 1) - begin(block); }
  int64_t of(int64_t row) const { return ((row + 1) * count - 1) / rows; }
};

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

/// A tile's products with rows of A, 16 each, into D.
inline void write_tile(const assay_call& call, int64_t of_all, int64_t row, int64_t rows, const float* products) {
  const TilePlace place(call, of_all);
  const Epilogue epilogue(call, place.segment);
  const int64_t n = find_tensor(call, ASSAY_B, place.segment)->dims[1], column = place.tile * kTileRows;
  for (int64_t r = 0; r < rows; ++r)
    epilogue.write(0, row + r, column, products + r * kTileRows, least(kTileRows, n - column));
}

/// What rows of gate's and up's products make of each other, into D.
inline void write_swiglu(const Epilogue& epilogue, int64_t n, int64_t tile, int64_t row, int64_t rows, float* gate,
                         const float* up) {
  const int64_t column = tile * kTileRows;
  swiglu_of(gate, up, rows * kTileRows, gate);
  for (int64_t r = 0; r < rows; ++r)
    epilogue.write(0, row + r, column, gate + r * kTileRows, least(kTileRows, n - column));
}

/// What comes next of the weights, fetched while a tile meets rows of A: memory has time until all have met it.
struct Ahead {
  const char* at;
  int64_t lines;  // a step, whose length is the kernel's
  void fetch() {
    for (int64_t line = 0; line < lines; ++line) __builtin_prefetch(at + 64 * line, 0, 2);
    at += 64 * lines;
  }
};

// Of a kernel: tiles.multiply<M, T>(tile, apart, row, ahead, products): rows row … row + M - 1 of A with T tiles that
// lie `apart` tiles from each other; products get 16 of the first tile for each row, then of the second. Two tiles meet
// a single row; several rows, at most kRows, meet one tile, which takes tiles.steps steps. tiles.at(tile): its bytes.

template <int64_t M, class Tiles>
void multiply_rows(int64_t rows, const Tiles& tiles, int64_t tile, int64_t row, Ahead ahead, float* products) {
  if (rows == M) return tiles.template multiply<M, 1>(tile, 0, row, ahead, products);
  if constexpr (M > 1) multiply_rows<M - 1>(rows, tiles, tile, row, ahead, products);
}

constexpr int64_t kBlocksKept = 8;  // of rows of A, whose products with a tile wait to be written

/// Blocks of rows of A with a tile, one after the other: it stays near. What lies `next` tiles on is fetched.
template <class Tiles>
void multiply_blocks(const Tiles& tiles, const RowBlocks& blocks, Range mine, int64_t tile, int64_t next,
                     float* products) {
  const int64_t lines = (tiles.at(1) - tiles.at(0)) / 64, parts = tiles.steps * (mine.end - mine.begin);
  const int64_t each = (lines + parts - 1) / parts;
  for (int64_t block = mine.begin; block < mine.end; ++block) {
    const int64_t row = blocks.begin(block), fetched = (block - mine.begin) * tiles.steps * each;
    const Ahead ahead{tiles.at(tile + next) + fetched * 64, fetched < lines ? each : 0};
    multiply_rows<Tiles::kRows>(blocks.size(block), tiles, tile, row, ahead,
                                products + (row - blocks.begin(mine.begin)) * kTileRows);
  }
}

/// Gate and up of a single row of A: some tiles of one, then the same of the other. Memory that is read by turns in
/// pieces as small as a tile comes slowly: each turn begins another stream.
template <class Tiles>
void multiply_gate_then_up(const Tiles& tiles, int64_t apart, int64_t n, Range mine, const Epilogue& epilogue) {
  constexpr int64_t kInARow = 16;
  float products[2][kInARow][kTileRows];
  for (int64_t first = mine.begin; first < mine.end; first += kInARow) {
    const int64_t count = least(kInARow, mine.end - first);
    for (int64_t half = 0; half < 2; ++half)
      for (int64_t i = 0; i < count; ++i)
        tiles.template multiply<1, 1>(first + i + half * apart, 0, 0, Ahead{}, products[half][i]);
    for (int64_t i = 0; i < count; ++i) write_swiglu(epilogue, n, first + i, 0, 1, products[0][i], products[1][i]);
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
  const RowBlocks blocks(m, Tiles::kRows);
  alignas(64) float gate[kBlocksKept * Tiles::kRows * kTileRows], up[kBlocksKept * Tiles::kRows * kTileRows];
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    if (m == 1) {
      tiles.template multiply<1, 2>(i, apart, 0, Ahead{}, gate);
      write_swiglu(epilogue, n, i, 0, 1, gate, gate + kTileRows);
      continue;
    }
    for (int64_t first = 0; first < blocks.count; first += kBlocksKept) {
      const Range some{first, least(first + kBlocksKept, blocks.count)};
      multiply_blocks(tiles, blocks, some, i, apart, gate);
      multiply_blocks(tiles, blocks, some, i + apart, 1 - apart, up);
      const int64_t row = blocks.begin(some.begin);
      write_swiglu(epilogue, n, i, row, blocks.begin(some.end) - row, gate, up);
    }
  }
}

/// Up to `bytes` of each stream that this thread reads for a single row of A.
template <int64_t kTogether, class Tiles>
FirstLines first_lines(const assay_call& call, const assay_thread& thread, const Tiles& tiles, int64_t bytes) {
  if (find_tensor(call, ASSAY_A)->dims[1] != 1) return {};
  const bool is_pair = ends_in_swiglu(call);
  const int64_t tile = tiles.at(1) - tiles.at(0), half = tiles_of(*find_tensor(call, ASSAY_B));
  const int64_t streams = is_pair ? least(kTogether, 2) : kTogether;
  const Range mine = share(is_pair ? half : total_tiles(call), 1, thread);
  const int64_t each = is_pair ? mine.end - mine.begin : (mine.end - mine.begin) / streams;
  return {tiles.at(mine.begin), (is_pair ? half : each) * tile, streams, least(bytes, each * tile) / 64};
}

/// This thread's share of D. A single row of A is met by kTogether tiles at once: as many streams.
template <int64_t kTogether, class Tiles>
void multiply_tiles(const assay_call& call, const assay_thread& thread, const Tiles& tiles) {
  if (ends_in_swiglu(call)) return multiply_gate_and_up<(kTogether > 1)>(call, thread, tiles);
  const int64_t m = find_tensor(call, ASSAY_A)->dims[1];
  const Range mine = share(total_tiles(call), 1, thread);
  const int64_t each = m == 1 ? (mine.end - mine.begin) / kTogether : 0;
  const RowBlocks blocks(m, Tiles::kRows);
  alignas(64) float products[kBlocksKept * Tiles::kRows * kTileRows];
  for (int64_t i = mine.begin; i < mine.begin + each; ++i) {
    tiles.template multiply<1, kTogether>(i, each, 0, Ahead{}, products);
    for (int64_t t = 0; t < kTogether; ++t) write_tile(call, i + t * each, 0, 1, products + t * kTileRows);
  }
  for (int64_t i = mine.begin + each * kTogether; i < mine.end; ++i)
    for (int64_t first = 0; first < blocks.count; first += kBlocksKept) {
      const Range some{first, least(first + kBlocksKept, blocks.count)};
      multiply_blocks(tiles, blocks, some, i, 1, products);
      const int64_t row = blocks.begin(some.begin);
      write_tile(call, i, row, blocks.begin(some.end) - row, products);
    }
}

}  // namespace assay
