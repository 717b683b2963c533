// amx_int8: the storages and the rounding of int8_tiles, several rows of A, 16 x 16 outputs and a block of 32 a tile
// product. WEIGHTS=4: Q4_0, 8: Q8_0.
#include "amx_panels.h"
#include "int8_block.h"
#include "int8_weights.h"

namespace assay {
namespace {

constexpr int64_t kAhead = 4;                               // blocks at once: their products wait in a ring
constexpr int64_t kWeightBytes = kTileRows * (kBlock + 4);  // of a block: int8 values, then scales as floats
constexpr int64_t kNearBytes = int64_t(1) << 20;            // of A: so much stays near while weights pass
constexpr int64_t kRowGranule = 4;

/// A: of each tile of rows each block, its int8 values row by row, then the rows' scales.
int64_t a_block_bytes(int64_t height) { return height * kBlock + kMostTileRows * 4; }
/// Blocks of zeros fill the ring up.
int64_t padded(int64_t blocks) { return int64_t(round_up(size_t(blocks), size_t(kAhead))); }

struct Sizes {
  const RowTiles rows;
  const int64_t blocks, a_tile_bytes, panel_bytes;
  explicit Sizes(const assay_call& call)
      : rows(find_tensor(call, ASSAY_A)->dims[1], kRowGranule),
        blocks(padded(blocks_of(*find_tensor(call, ASSAY_B)))),
        a_tile_bytes(blocks * a_block_bytes(rows.height)),
        panel_bytes(blocks * kWeightBytes) {}
  size_t a_bytes() const { return size_t(rows.count * a_tile_bytes); }
};

size_t workspace_bytes(const assay_call* call, uint32_t threads) {
  const Sizes sizes(*call);
  return sizes.a_bytes() + threads * 2 * size_t(sizes.panel_bytes);
}

/// This thread's share of A.
void quantize_rows(const assay_tensor& a, const Sizes& sizes, const assay_thread& thread, uint8_t* to) {
  const int64_t height = sizes.rows.height, rows = sizes.rows.count * height, there = a.dims[2] / kBlock;
  const Range mine = share(rows, 1, thread);
  for (int64_t row = mine.begin; row < mine.end; ++row) {
    uint8_t* block = to + row / height * sizes.a_tile_bytes;
    for (int64_t i = 0; i < sizes.blocks; ++i, block += a_block_bytes(height)) {
      alignas(32) float space[kBlock];
      Int8Block values = {};
      if (row < sizes.rows.rows && i < there) quantize<0>(widened_row(a, 0, row, i * kBlock, kBlock, space), &values);
      memcpy(block + row % height * kBlock, values.values, kBlock);
      memcpy(block + height * kBlock + row % height * 4, &values.scale, sizeof values.scale);
    }
  }
}

/// A tile of weights as it lies in memory, to signed values and floats.
void expand(const uint8_t* from, int64_t there, int64_t blocks, uint8_t* to) {
  const __m512i offset = _mm512_set1_epi8(int8_t(kOffset)), low = _mm512_set1_epi8(15);
  for (int64_t i = 0; i < there; ++i, from += kTileBlockBytes, to += kWeightBytes) {
    for (int64_t line = 0; line < kValueBytes; line += 64) {
      const __m512i values = _mm512_loadu_si512(from + line);
      if constexpr (WEIGHTS == 8) {
        _mm512_store_si512(to + line, _mm512_xor_si512(values, offset));
      } else {
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(values, 4), low);
        _mm512_store_si512(to + line, _mm512_sub_epi8(_mm512_and_si512(values, low), offset));
        _mm512_store_si512(to + kValueBytes + line, _mm512_sub_epi8(high, offset));
      }
    }
    const __m256i scales = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + kValueBytes));
    _mm512_store_ps(to + kTileRows * kBlock, _mm512_cvtph_ps(scales));
  }
  memset(to, 0, size_t((blocks - there) * kWeightBytes));
}

template <int64_t kRows>
struct Product {
  static constexpr int64_t kABytes = kRows * kBlock + kMostTileRows * 4;

  alignas(64) int32_t ring[kAhead][kRows][kTileRows];

  /// kRows rows of A with a tile of weights. A block's products are stored two blocks later and scaled three blocks
  /// later: a tile's product takes that long.
  void run(const uint8_t* a, const uint8_t* weights, int64_t blocks, float* products) {
    __m512 sums[kRows];
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r) sums[r] = _mm512_setzero_ps();
    multiply<0>(a, weights), multiply<1>(a + kABytes, weights + kWeightBytes);
    multiply<2>(a + 2 * kABytes, weights + 2 * kWeightBytes), keep<0>();
    for (int64_t i = kAhead; i < blocks; i += kAhead) {
      multiply<3>(a + 3 * kABytes, weights + 3 * kWeightBytes), keep<1>(), add_scaled<0>(a, weights, sums);
      multiply<0>(a + 4 * kABytes, weights + 4 * kWeightBytes), keep<2>(), add_scaled<1>(a, weights, sums);
      multiply<1>(a + 5 * kABytes, weights + 5 * kWeightBytes), keep<3>(), add_scaled<2>(a, weights, sums);
      multiply<2>(a + 6 * kABytes, weights + 6 * kWeightBytes), keep<0>(), add_scaled<3>(a, weights, sums);
      a += kAhead * kABytes, weights += kAhead * kWeightBytes;
    }
    multiply<3>(a + 3 * kABytes, weights + 3 * kWeightBytes), keep<1>(), add_scaled<0>(a, weights, sums);
    keep<2>(), add_scaled<1>(a, weights, sums);
    keep<3>(), add_scaled<2>(a, weights, sums);
    add_scaled<3>(a, weights, sums);
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r) _mm512_storeu_ps(products + r * kPanelColumns, sums[r]);
  }

 private:
  template <int kPlace>
  __attribute__((always_inline)) void multiply(const uint8_t* a, const uint8_t* weights) {
    constexpr int kA = 4 + kPlace % 2, kWeights = 6 + kPlace % 2;
    clear_tile<kPlace>();
    load_tile<kA>(a, kBlock);
    load_tile<kWeights>(weights, 64);
    add_int8_products<kPlace, kA, kWeights>();
  }
  template <int kPlace>
  __attribute__((always_inline)) void keep() {
    store_tile<kPlace>(ring[kPlace], 64);
  }
  /// Of block kPlace from a and weights on.
  template <int kPlace>
  __attribute__((always_inline)) void add_scaled(const uint8_t* a, const uint8_t* weights, __m512 (&sums)[kRows]) {
    const __m512 scales = _mm512_load_ps(weights + kPlace * kWeightBytes + kTileRows * kBlock);
    const auto* of_a = reinterpret_cast<const float*>(a + kPlace * kABytes + kRows * kBlock);
#pragma GCC unroll 16
    for (int64_t r = 0; r < kRows; ++r)
      sums[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(ring[kPlace][r])),
                                _mm512_mul_ps(scales, _mm512_set1_ps(of_a[r])), sums[r]);
  }
};

template <int64_t kRows>
void multiply_panels(const assay_call& call, const assay_thread& thread, const Sizes& sizes, const uint8_t* a,
                     uint8_t* space) {
  const TileRegisters registers(kRows, kBlock);
  const Panels panels(call);
  const int64_t there = blocks_of(*find_tensor(call, ASSAY_B)), bytes = tile_bytes(there);
  const auto* const prepared = static_cast<const uint8_t*>(call.prepared);
  const Range mine = share(panels.count(), 1, thread);
  const int64_t chunks = (sizes.rows.count * sizes.a_tile_bytes + kNearBytes - 1) / kNearBytes;
  Product<kRows> product;
  alignas(64) float products[kRows * kPanelColumns];
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const Range tiles{sizes.rows.count * chunk / chunks, sizes.rows.count * (chunk + 1) / chunks};
    for (int64_t i = mine.begin; i < mine.end; ++i) {
      const Panel panel = panels.at(i);
      for (int64_t half = 0; half < 2; ++half)
        expand(prepared + panel.tiles[half] * bytes, there, sizes.blocks, space + half * sizes.panel_bytes);
      for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
        panels.ask_for_output(panel, sizes.rows.begin(tile), sizes.rows.size({tile, tile + 1}));
        for (int64_t half = 0; half < 2; ++half)
          product.run(a + tile * sizes.a_tile_bytes, space + half * sizes.panel_bytes, sizes.blocks,
                      products + half * kTileRows);
        panels.write(panel, sizes.rows.begin(tile), sizes.rows.size({tile, tile + 1}), products);
      }
    }
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != (WEIGHTS == 4 ? ASSAY_Q4_0 : ASSAY_Q8_0) || !may_use_tiles())
    return ASSAY_UNSUPPORTED;
  const Sizes sizes(*call);
  auto* const workspace = static_cast<uint8_t*>(call->workspace);
  quantize_rows(a, sizes, *thread, workspace);
  if (thread->count > 1) thread->barrier(thread);
  uint8_t* const space = workspace + sizes.a_bytes() + 2 * sizes.panel_bytes * thread->index;
  const auto multiply = [&]<int64_t kRows>() { multiply_panels<kRows>(*call, *thread, sizes, workspace, space); };
  switch (sizes.rows.height) {
    case 4:
      multiply.template operator()<4>();
      break;
    case 8:
      multiply.template operator()<8>();
      break;
    case 12:
      multiply.template operator()<12>();
      break;
    default:
      multiply.template operator()<16>();
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("amx_int8", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)
