// The storages q4_0_tiles16 and q8_0_tiles16: blocks of 16 rows, a word of each row by turns. WEIGHTS=4 or 8 says
// which.
#pragma once
#include "blocks.h"
#include "tiles.h"

namespace assay {

constexpr int64_t kBlock = 32;
constexpr int64_t kGroups = kBlock / 4;                            // of four values: what a lane multiplies at once
constexpr int64_t kValueBytes = kTileRows * kBlock * WEIGHTS / 8;  // of a block of 16 rows
constexpr int64_t kTileBlockBytes = kValueBytes + 2 * kTileRows;
constexpr int64_t kBlockBytes = WEIGHTS == 4 ? 18 : 34;  // of a row, as files have it
constexpr int kOffset = WEIGHTS == 4 ? 8 : 128;          // values are kept unsigned, so much too large

inline int64_t blocks_of(const assay_tensor& b) { return b.dims[2] / kBlock; }
/// A tile: of each block the values, then the 16 scales.
inline int64_t tile_bytes(int64_t blocks) { return int64_t(round_up(size_t(blocks * kTileBlockBytes), 64)); }

inline size_t prepared_bytes(const assay_call* call) {
  return size_t(total_tiles(*call) * tile_bytes(blocks_of(*find_tensor(*call, ASSAY_B))));
}

/// Block i of a row, as files have it; of Q8_0 scales and values may lie apart.
inline void copy_block(const assay_tensor& b, int64_t row, int64_t i, uint8_t* to) {
  if (b.layout != ASSAY_Q8_0_SPLIT) {
    memcpy(to, block_row(b, 0, row) + i * kBlockBytes, kBlockBytes);
    return;
  }
  memcpy(to, static_cast<const Half*>(b.scales) + row * blocks_of(b) + i, 2);
  memcpy(to + 2, row_of<int8_t>(b, 0, row) + i * kBlock, kBlockBytes - 2);
}

/// Four bytes of each row by turns. Of Q4_0 they are values 4g … 4g+3 in the low nibbles and 16 more in the high ones.
inline void repack(const assay_tensor& b, int64_t tile, uint8_t* to) {
  const int64_t blocks = blocks_of(b), first = tile * kTileRows, rows = least(kTileRows, b.dims[1] - first);
  for (int64_t i = 0; i < blocks; ++i)  // a block of all rows at a time: what is written stays near
    for (int64_t lane = 0; lane < kTileRows; ++lane) {
      uint8_t block[kBlockBytes] = {};  // rows that are not there are zero
      if (lane < rows) copy_block(b, first + lane, i, block);
      memcpy(to + i * kTileBlockBytes + kValueBytes + lane * 2, block, 2);
      for (int64_t g = 0; g < (kBlockBytes - 2) / 4; ++g) {
        uint32_t four;
        memcpy(&four, block + 2 + 4 * g, 4);
        if (WEIGHTS == 8) four ^= 0x80808080u;
        memcpy(to + i * kTileBlockBytes + (g * kTileRows + lane) * 4, &four, 4);
      }
    }
}

inline int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  repack_tiles(*call, *thread, prepared, tile_bytes(blocks_of(*find_tensor(*call, ASSAY_B))), repack);
  return ASSAY_OK;
}

}  // namespace assay
