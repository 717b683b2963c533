// The storages f32_tiles16, f16_tiles16 and bf16_tiles16: 16 rows of float weights, k by k. FORMAT=0, 1 or 2 says
// which.
#pragma once
#include "tiles.h"
#include "transpose.h"

namespace assay {

#if FORMAT == 0
using Weight = float;
using Word = uint32_t;  // what is moved about
constexpr uint32_t kDtype = ASSAY_F32;
#elif FORMAT == 1
using Weight = Half;
using Word = uint16_t;
constexpr uint32_t kDtype = ASSAY_F16;
#else
using Weight = Bfloat;
using Word = uint16_t;
constexpr uint32_t kDtype = ASSAY_BF16;
#endif

inline int64_t tile_bytes(const assay_call& call) {
  return find_tensor(call, ASSAY_B)->dims[2] * kTileRows * int64_t(sizeof(Weight));
}

inline size_t prepared_bytes(const assay_call* call) { return size_t(total_tiles(*call) * tile_bytes(*call)); }

/// Rows that are not there are zero.
inline void repack(const assay_tensor& b, int64_t tile, uint8_t* at) {
  auto* const to = reinterpret_cast<Word*>(at);
  const int64_t k = b.dims[2], first = tile * kTileRows, rows = least(kTileRows, b.dims[1] - first);
  const Word* from[kTileRows];
  for (int64_t lane = 0; lane < rows; ++lane) from[lane] = row_of<Word>(b, 0, first + lane);
  int64_t i = 0;
  if (rows == kTileRows && b.strides[2] == 1)
    for (; i + kTileRows <= k; i += kTileRows) transpose_sixteen(from, i, to + i * kTileRows);
  for (; i < k; ++i)
    for (int64_t lane = 0; lane < kTileRows; ++lane)
      to[i * kTileRows + lane] = lane < rows ? from[lane][i * b.strides[2]] : Word(0);
}

inline int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  repack_tiles(*call, *thread, prepared, tile_bytes(*call), repack);
  return ASSAY_OK;
}

}  // namespace assay
