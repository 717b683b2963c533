// amx_float: the storages of float_tiles, several rows of A. Values are sums of bf16 pieces, whose products tiles make
// exactly and sum in f32; what is left out is as small as rounding. FORMAT=0: F32, 1: F16, 2: BF16.
#include "amx_panels.h"
#include "float_weights.h"

namespace assay {
namespace {

constexpr int64_t kStep = 32;  // values of k in a tile
constexpr int64_t kWeightPieces = FORMAT == 0 ? 3 : FORMAT == 1 ? 2 : 1;
constexpr int64_t kLastProduct = 2;               // pieces i of A and j of weights are multiplied where i + j <= 2:
                                                  // each piece is 2^-8 of the one before
constexpr int64_t kNearRows = ROWS;               // of A that stay near while weights pass
constexpr int64_t kNearBytes = int64_t(9) << 17;  // of their pieces: longer rows are cut
constexpr int64_t kWeightStepBytes = kStep * kTileRows * 2;

int64_t pieces_of(const assay_tensor& a) { return a.dtype == ASSAY_F32 ? 3 : a.dtype == ASSAY_F16 ? 2 : 1; }

struct Sizes {
  const RowTiles rows;
  const int64_t pieces, steps, a_step_bytes, a_tile_bytes;
  const int64_t near_tiles, cut_steps, cuts, panel_bytes;  // rows are cut into `cuts` of at most cut_steps
  const int64_t sums_bytes;                                // of a panel with near_tiles, where rows are cut
  const int64_t panels;

  explicit Sizes(const assay_call& call)
      : rows(find_tensor(call, ASSAY_A)->dims[1], 1),
        pieces(pieces_of(*find_tensor(call, ASSAY_A))),
        steps((find_tensor(call, ASSAY_A)->dims[2] + kStep - 1) / kStep),
        a_step_bytes(pieces * rows.height * kStep * 2),
        a_tile_bytes(steps * a_step_bytes),
        near_tiles(least(rows.count, kNearRows / kMostTileRows)),
        cut_steps(least(steps, kNearBytes / (near_tiles * a_step_bytes))),
        cuts((steps + cut_steps - 1) / cut_steps),
        panel_bytes(2 * cut_steps * kWeightPieces * kWeightStepBytes),
        sums_bytes(cuts > 1 ? near_tiles * 2 * rows.height * kTileRows * 4 : 0),
        panels(Panels(call).count()) {}

  int64_t a_bytes() const { return int64_t(round_up(size_t(rows.count * a_tile_bytes), 64)); }
};

size_t workspace_bytes(const assay_call* call, uint32_t threads) {
  const Sizes sizes(*call);
  return size_t(sizes.a_bytes() + sizes.panels * sizes.sums_bytes + threads * sizes.panel_bytes);
}

/// The 8 leading bits of the significand: never further from 0, so that nothing overflows.
inline __m512 cut_off(__m512 x) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(int32_t(0xffff0000))));
}
/// The same, rounded; of values that are far from the largest.
inline __m512 rounded_off(__m512 x) {
  return cut_off(_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000))));
}
/// Halves of the words: those of `low` below those of `high`. Both have nothing in their lower halves.
inline __m512i pair(__m512 low, __m512 high) {
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low), 16), _mm512_castps_si512(high));
}

/// x as kPieces values of 8 bits, which sum up to it. The first is cut off, the others are rounded.
template <int64_t kPieces>
inline void split(__m512 x, __m512 (&to)[kPieces]) {
  for (int64_t piece = 0; piece < kPieces; ++piece) {
    to[piece] = piece + 1 == kPieces ? cut_off(x) : piece == 0 ? cut_off(x) : rounded_off(x);
    x = _mm512_sub_ps(x, to[piece]);
  }
}

/// This thread's share of A: of each tile of rows, each step and piece a tile.
template <int64_t kPieces>
void split_rows(const assay_tensor& a, const Sizes& sizes, const assay_thread& thread, uint8_t* to) {
  const int64_t height = sizes.rows.height, k = a.dims[2];
  const Range mine = share(sizes.rows.count * height, 1, thread);
  // Of pairs of values the words of one vector hold the first ones, of another one the second ones.
  const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
  for (int64_t row = mine.begin; row < mine.end; ++row) {
    uint8_t* at = to + row / height * sizes.a_tile_bytes + row % height * kStep * 2;
    for (int64_t step = 0; step < sizes.steps; ++step, at += sizes.a_step_bytes) {
      alignas(64) float space[kStep] = {};
      const int64_t count = row < sizes.rows.rows ? least(kStep, k - step * kStep) : 0;
      const float* from = count > 0 ? widened_row(a, 0, row, step * kStep, count, space) : space;
      if (from != space && count < kStep) from = static_cast<const float*>(memcpy(space, from, size_t(count) * 4));
      const __m512 first = _mm512_loadu_ps(from), second = _mm512_loadu_ps(from + 16);
      __m512 even[kPieces], odd[kPieces];
      split(_mm512_permutex2var_ps(first, evens, second), even);
      split(_mm512_permutex2var_ps(first, odds, second), odd);
      for (int64_t piece = 0; piece < kPieces; ++piece)
        _mm512_storeu_si512(at + piece * height * kStep * 2, pair(even[piece], odd[piece]));
    }
  }
}

/// Values i and i + 1 of 16 rows, as pairs of each piece, into tiles that lie kWeightStepBytes apart.
inline void expand_pair(__m512 low, __m512 high, uint8_t* to) {
  __m512 lows[kWeightPieces], highs[kWeightPieces];
  split(low, lows), split(high, highs);
  for (int64_t piece = 0; piece < kWeightPieces; ++piece)
    _mm512_store_si512(to + piece * kWeightStepBytes, pair(lows[piece], highs[piece]));
}

/// Steps [first, first + count) of a tile of weights: of each step each piece as a tile of pairs along k.
void expand(const Weight* from, int64_t k, int64_t first, int64_t count, uint8_t* to) {
  from += first * kStep * kTileRows;
  for (int64_t left = k - first * kStep; count > 0; --count, left -= kStep, from += kStep * kTileRows) {
    if (left >= kStep) {
#pragma GCC unroll 4
      for (int64_t i = 0; i < kStep; i += 2) {
        if constexpr (kWeightPieces == 1) {
          // Of two rows of 16 words each word of the first, then that of the second.
          const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i * kTileRows));
          const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + (i + 1) * kTileRows));
          _mm512_store_si512(to + i * 32, _mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                                          _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
        } else {
          expand_pair(load(from + i * kTileRows), load(from + (i + 1) * kTileRows), to + i * 32);
        }
      }
    } else {
      for (int64_t i = 0; i < kStep; i += 2)
        expand_pair(i < left ? load(from + i * kTileRows) : zero(),
                    i + 1 < left ? load(from + (i + 1) * kTileRows) : zero(), to + i * 32);
    }
    to += kWeightPieces * kWeightStepBytes;
  }
}

/// One or two tiles of rows with a panel, `steps` steps, summed in the registers. Sums lie row by row.
template <int64_t kPieces, int64_t kTiles>
void add_products(const Sizes& sizes, const uint8_t* a, const uint8_t* weights, int64_t steps, bool is_first,
                  float* sums) {
  constexpr int64_t kRowBytes = kPanelColumns * 4;
  float* const lower = sums + sizes.rows.height * kPanelColumns;
  if (is_first) {
    clear_tile<0>(), clear_tile<1>();
    if constexpr (kTiles == 2) clear_tile<2>(), clear_tile<3>();
  } else {
    load_tile<0>(sums, kRowBytes), load_tile<1>(sums + kTileRows, kRowBytes);
    if constexpr (kTiles == 2) load_tile<2>(lower, kRowBytes), load_tile<3>(lower + kTileRows, kRowBytes);
  }
  const int64_t tile_bytes = sizes.rows.height * kStep * 2, to_next = sizes.a_tile_bytes, apart = sizes.panel_bytes / 2;
  for (int64_t step = 0; step < steps; ++step, a += kPieces * tile_bytes) {
#pragma GCC unroll 3
    for (int64_t j = 0; j < kWeightPieces; ++j, weights += kWeightStepBytes) {
      load_tile<6>(weights, 64), load_tile<7>(weights + apart, 64);
      for (int64_t i = 0; i < kPieces && i + j <= kLastProduct; ++i) {
        load_tile<4>(a + i * tile_bytes, 64);
        add_bf16_products<0, 4, 6>(), add_bf16_products<1, 4, 7>();
        if constexpr (kTiles == 2) {
          load_tile<5>(a + to_next + i * tile_bytes, 64);
          add_bf16_products<2, 5, 6>(), add_bf16_products<3, 5, 7>();
        }
      }
    }
  }
  store_tile<0>(sums, kRowBytes), store_tile<1>(sums + kTileRows, kRowBytes);
  if constexpr (kTiles == 2) store_tile<2>(lower, kRowBytes), store_tile<3>(lower + kTileRows, kRowBytes);
}

/// This thread's share of the panels with all of A, whose pieces lie in the workspace.
template <int64_t kPieces>
void multiply_panels(const assay_call& call, const assay_thread& thread, const Sizes& sizes, uint8_t* workspace) {
  const TileRegisters registers(sizes.rows.height, kStep * 2);
  const Panels panels(call);
  const int64_t k = find_tensor(call, ASSAY_B)->dims[2], bytes = tile_bytes(call);
  const auto* const prepared = static_cast<const uint8_t*>(call.prepared);
  uint8_t* const kept = workspace + sizes.a_bytes();
  uint8_t* const weights = kept + sizes.panels * sizes.sums_bytes + thread.index * sizes.panel_bytes;
  const Range mine = share(panels.count(), 1, thread);
  alignas(64) float near[(kNearRows + kMostTileRows) * kPanelColumns];
  const int64_t chunks = (sizes.rows.count + sizes.near_tiles - 1) / sizes.near_tiles;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const Range tiles{sizes.rows.count * chunk / chunks, sizes.rows.count * (chunk + 1) / chunks};
    for (int64_t cut = 0; cut < sizes.cuts; ++cut) {
      const int64_t first = cut * sizes.cut_steps, steps = least(sizes.cut_steps, sizes.steps - first);
      for (int64_t i = mine.begin; i < mine.end; ++i) {
        const Panel panel = panels.at(i);
        for (int64_t half = 0; half < 2; ++half)
          expand(reinterpret_cast<const Weight*>(prepared + panel.tiles[half] * bytes), k, first, steps,
                 weights + half * (sizes.panel_bytes / 2));
        float* const sums = sizes.cuts > 1 ? reinterpret_cast<float*>(kept + i * sizes.sums_bytes) : near;
        const int64_t pairs = (tiles.end - tiles.begin + 1) / 2;
        for (int64_t pair = 0; pair < pairs; ++pair) {
          const int64_t tile = tiles.begin + 2 * pair;
          const uint8_t* const a = workspace + tile * sizes.a_tile_bytes + first * sizes.a_step_bytes;
          float* const at = sums + 2 * pair * sizes.rows.height * kPanelColumns;
          if (cut + 1 == sizes.cuts)
            panels.ask_for_output(panel, sizes.rows.begin(tile), sizes.rows.size({tile, least(tile + 2, tiles.end)}));
          if (tile + 1 < tiles.end)
            add_products<kPieces, 2>(sizes, a, weights, steps, cut == 0, at);
          else
            add_products<kPieces, 1>(sizes, a, weights, steps, cut == 0, at);
        }
        if (cut + 1 == sizes.cuts) panels.write(panel, sizes.rows.begin(tiles.begin), sizes.rows.size(tiles), sums);
      }
    }
  }
}

template <int64_t kPieces>
void multiply(const assay_call& call, const assay_thread& thread, const Sizes& sizes) {
  auto* const workspace = static_cast<uint8_t*>(call.workspace);
  split_rows<kPieces>(*find_tensor(call, ASSAY_A), sizes, thread, workspace);
  if (thread.count > 1) thread.barrier(&thread);
  multiply_panels<kPieces>(call, thread, sizes, workspace);
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor& b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != kDtype || !may_use_tiles()) return ASSAY_UNSUPPORTED;
  const Sizes sizes(*call);
  if (sizes.pieces == 3) multiply<3>(*call, *thread, sizes);
  if (sizes.pieces == 2) multiply<2>(*call, *thread, sizes);
  if (sizes.pieces == 1) multiply<1>(*call, *thread, sizes);
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("amx_float", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)
