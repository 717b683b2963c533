// int8_tiles: NT with Q4_0 or Q8_0 weights repacked to tiles of 16 rows, so that a vector holds 16 outputs and a tile
// serves every row of A. WEIGHTS=4: Q4_0, 8: Q8_0. A is quantized to int8 blocks of 32.
#define WIDTH 256
#include "blocks.h"
#include "int8_block.h"

namespace assay {
namespace {

constexpr int64_t kRows = 16, kBlock = 32, kMostRowsOfA = 8;
constexpr int64_t kGroups = kBlock / 4;                        // of four values: what a lane multiplies at once
constexpr int64_t kValueBytes = kRows * kBlock * WEIGHTS / 8;  // of a block of 16 rows
constexpr int64_t kTileBlockBytes = kValueBytes + 2 * kRows;
constexpr int64_t kBlockBytes = WEIGHTS == 4 ? 18 : 34;        // of a row, as files have it
constexpr int kOffset = WEIGHTS == 4 ? 8 : 128;                // values are kept unsigned, so much too large

/// A block of A: what is broadcast to all lanes.
struct Activations {
  int32_t groups[kGroups];
  int32_t offset;  // -kOffset · the sum of its values
  float scale;
};

int64_t blocks_of(const assay_tensor& b) { return b.dims[2] / kBlock; }
int64_t tiles_of(const assay_tensor& b) { return (b.dims[1] + kRows - 1) / kRows; }
/// A tile: of each block the values, then the 16 scales.
int64_t tile_bytes(int64_t blocks) { return int64_t(round_up(size_t(blocks * kTileBlockBytes), 64)); }

int64_t total_tiles(const assay_call& call) {
  int64_t total = 0;
  for (uint32_t s = 0; s < segment_count(call); ++s) total += tiles_of(*find_tensor(call, ASSAY_B, s));
  return total;
}

size_t prepared_bytes(const assay_call* call) {
  return size_t(total_tiles(*call) * tile_bytes(blocks_of(*find_tensor(*call, ASSAY_B))));
}

/// Four bytes of each row by turns. Of Q4_0 they are values 4g … 4g+3 in the low nibbles and 16 more in the high ones.
void repack(const assay_tensor& b, int64_t tile, uint8_t* to) {
  const int64_t blocks = blocks_of(b);
  for (int64_t lane = 0; lane < kRows; ++lane) {
    const int64_t row = tile * kRows + lane;
    const uint8_t* from = row < b.dims[1] ? block_row(b, 0, row) : nullptr;  // rows that are not there are zero
    for (int64_t i = 0; i < blocks; ++i) {
      uint8_t block[kBlockBytes] = {};
      if (from) memcpy(block, from + i * kBlockBytes, sizeof block);
      memcpy(to + i * kTileBlockBytes + kValueBytes + lane * 2, block, 2);
      for (int64_t g = 0; g < (kBlockBytes - 2) / 4; ++g) {
        uint32_t four;
        memcpy(&four, block + 2 + 4 * g, 4);
        if (WEIGHTS == 8) four ^= 0x80808080u;
        memcpy(to + i * kTileBlockBytes + (g * kRows + lane) * 4, &four, 4);
      }
    }
  }
}

/// A tile of one of the segments.
struct Place {
  uint32_t segment = 0;
  int64_t tile;
  Place(const assay_call& call, int64_t of_all) : tile(of_all) {
    for (int64_t count; tile >= (count = tiles_of(*find_tensor(call, ASSAY_B, segment))); ++segment) tile -= count;
  }
};

int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  const int64_t bytes = tile_bytes(blocks_of(*find_tensor(*call, ASSAY_B)));
  const Range mine = share(total_tiles(*call), 1, *thread);
  for (int64_t i = mine.begin; i < mine.end; ++i) {
    const Place place(*call, i);
    repack(*find_tensor(*call, ASSAY_B, place.segment), place.tile, static_cast<uint8_t*>(prepared) + i * bytes);
  }
  return ASSAY_OK;
}

size_t workspace_bytes(const assay_call* call, uint32_t) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  return size_t(a.dims[1] * (a.dims[2] / kBlock)) * sizeof(Activations);
}

void quantize_block(const assay_tensor& a, int64_t row, int64_t i, Activations* to) {
  alignas(32) float space[kBlock];
  Int8Block block;
  quantize<kOffset>(widened_row(a, 0, row, i * kBlock, kBlock, space), &block);
  memcpy(to->groups, block.values, sizeof to->groups);
  to->offset = 0;
  for (const int32_t part : block.offsets) to->offset += part;
  to->scale = block.scale;
}

/// A block of a tile: what each lane multiplies with each group of A.
struct Weights {
  __m512i groups[kGroups];
  __m512 scales;

  Weights(const uint8_t* values, const uint8_t* scales_at)
      : scales(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales_at)))) {
#if WEIGHTS == 4
    const __m512i low = _mm512_set1_epi8(15);
    for (int64_t g = 0; g < kGroups / 2; ++g) {
      const __m512i both = _mm512_loadu_si512(values + 64 * g);
      groups[g] = _mm512_and_si512(both, low);
      groups[g + kGroups / 2] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
    }
#else
    for (int64_t g = 0; g < kGroups; ++g) groups[g] = _mm512_loadu_si512(values + 64 * g);
#endif
  }

  __m512 add_dot(const Activations& a, __m512 sum) const {
    __m512i even = _mm512_set1_epi32(a.offset), odd = _mm512_setzero_si512();
    for (int64_t g = 0; g < kGroups; g += 2) {
      even = _mm512_dpbusd_epi32(even, groups[g], _mm512_set1_epi32(a.groups[g]));
      odd = _mm512_dpbusd_epi32(odd, groups[g + 1], _mm512_set1_epi32(a.groups[g + 1]));
    }
    const __m512 dot = _mm512_cvtepi32_ps(_mm512_add_epi32(even, odd));
    return _mm512_fmadd_ps(dot, _mm512_mul_ps(scales, _mm512_set1_ps(a.scale)), sum);
  }
};

/// M rows of A, `blocks` apart, with T tiles that lie `apart` from each other: a thread reads as many streams.
template <int64_t M, int64_t T>
void multiply(const uint8_t* tile, int64_t apart, const Activations* a, int64_t blocks,
              float (*products)[kMostRowsOfA][kRows]) {
  __m512 sums[T][M];
  for (auto& of_tile : sums)
    for (__m512& sum : of_tile) sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < blocks; ++i)
    for (int64_t t = 0; t < T; ++t) {
      const uint8_t* at = tile + t * apart + i * kTileBlockBytes;
      if (PREFETCH > 0)
        for (int64_t line = 0; line < kTileBlockBytes; line += 64) __builtin_prefetch(at + line + PREFETCH, 0, 2);
      const Weights weights(at, at + kValueBytes);
      for (int64_t r = 0; r < M; ++r) sums[t][r] = weights.add_dot(a[r * blocks + i], sums[t][r]);
    }
  for (int64_t t = 0; t < T; ++t)
    for (int64_t r = 0; r < M; ++r) _mm512_storeu_ps(products[t][r], sums[t][r]);
}

template <int64_t M>
void multiply_up_to(int64_t rows, const uint8_t* tile, const Activations* a, int64_t blocks,
                    float (*products)[kMostRowsOfA][kRows]) {
  if (rows == M) return multiply<M, 1>(tile, 0, a, blocks, products);
  if constexpr (M > 1) multiply_up_to<M - 1>(rows, tile, a, blocks, products);
}

void write(const assay_call& call, int64_t of_all, int64_t row, int64_t rows, float (*products)[kRows]) {
  const Place place(call, of_all);
  const Epilogue epilogue(call, place.segment);
  const int64_t n = find_tensor(call, ASSAY_B, place.segment)->dims[1], column = place.tile * kRows;
  for (int64_t r = 0; r < rows; ++r) epilogue.write(0, row + r, column, products[r], least(kRows, n - column));
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != (WEIGHTS == 4 ? ASSAY_Q4_0 : ASSAY_Q8_0)) return ASSAY_UNSUPPORTED;
  const int64_t m = a.dims[1], blocks = blocks_of(b), bytes = tile_bytes(blocks);
  auto* const activations = static_cast<Activations*>(call->workspace);
  const Range of_a = share(m * blocks, 1, *thread);
  for (int64_t i = of_a.begin; i < of_a.end; ++i) quantize_block(a, i / blocks, i % blocks, activations + i);
  if (thread->count > 1) thread->barrier(thread);

  const auto* const tiles = static_cast<const uint8_t*>(call->prepared);
  const Range mine = share(total_tiles(*call), 1, *thread);
  const int64_t each = m == 1 ? (mine.end - mine.begin) / TILES : 0;
  float products[TILES][kMostRowsOfA][kRows];
  for (int64_t i = mine.begin; i < mine.begin + each; ++i) {
    multiply<1, TILES>(tiles + i * bytes, each * bytes, activations, blocks, products);
    for (int64_t t = 0; t < TILES; ++t) write(*call, i + t * each, 0, 1, products[t]);
  }
  for (int64_t i = mine.begin + each * TILES; i < mine.end; ++i)
    for (int64_t row = 0; row < m; row += kMostRowsOfA) {
      const int64_t rows = least(kMostRowsOfA, m - row);
      multiply_up_to<kMostRowsOfA>(rows, tiles + i * bytes, activations + row * blocks, blocks, products);
      write(*call, i, row, rows, products[0]);
    }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("int8_tiles", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)
