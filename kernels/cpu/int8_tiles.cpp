// int8_tiles: NT with Q4_0 or Q8_0 weights repacked to tiles of 16 rows, so that a vector holds 16 outputs and a tile
// serves every row of A. WEIGHTS=4: Q4_0, 8: Q8_0. A is quantized to int8 blocks of 32.
#define WIDTH 256
#include "blocks.h"
#include "int8_block.h"
#include "tiles.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 32;
constexpr int64_t kGroups = kBlock / 4;                            // of four values: what a lane multiplies at once
constexpr int64_t kValueBytes = kTileRows * kBlock * WEIGHTS / 8;  // of a block of 16 rows
constexpr int64_t kTileBlockBytes = kValueBytes + 2 * kTileRows;
constexpr int64_t kBlockBytes = WEIGHTS == 4 ? 18 : 34;  // of a row, as files have it
constexpr int kOffset = WEIGHTS == 4 ? 8 : 128;          // values are kept unsigned, so much too large

/// A block of A: what is broadcast to all lanes.
struct Activations {
  int32_t groups[kGroups];
  int32_t offset;  // -kOffset · the sum of its values
  float scale;
};

int64_t blocks_of(const assay_tensor& b) { return b.dims[2] / kBlock; }
/// A tile: of each block the values, then the 16 scales.
int64_t tile_bytes(int64_t blocks) { return int64_t(round_up(size_t(blocks * kTileBlockBytes), 64)); }

size_t prepared_bytes(const assay_call* call) {
  return size_t(total_tiles(*call) * tile_bytes(blocks_of(*find_tensor(*call, ASSAY_B))));
}

/// Four bytes of each row by turns. Of Q4_0 they are values 4g … 4g+3 in the low nibbles and 16 more in the high ones.
void repack(const assay_tensor& b, int64_t tile, uint8_t* to) {
  const int64_t blocks = blocks_of(b);
  for (int64_t lane = 0; lane < kTileRows; ++lane) {
    const int64_t row = tile * kTileRows + lane;
    const uint8_t* from = row < b.dims[1] ? block_row(b, 0, row) : nullptr;  // rows that are not there are zero
    for (int64_t i = 0; i < blocks; ++i) {
      uint8_t block[kBlockBytes] = {};
      if (from) memcpy(block, from + i * kBlockBytes, sizeof block);
      memcpy(to + i * kTileBlockBytes + kValueBytes + lane * 2, block, 2);
      for (int64_t g = 0; g < (kBlockBytes - 2) / 4; ++g) {
        uint32_t four;
        memcpy(&four, block + 2 + 4 * g, 4);
        if (WEIGHTS == 8) four ^= 0x80808080u;
        memcpy(to + i * kTileBlockBytes + (g * kTileRows + lane) * 4, &four, 4);
      }
    }
  }
}

int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  repack_tiles(*call, *thread, prepared, tile_bytes(blocks_of(*find_tensor(*call, ASSAY_B))), repack);
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

struct Tiles {
  const uint8_t* first;
  const Activations* a;
  int64_t blocks, bytes = tile_bytes(blocks);

  template <int64_t M, int64_t T>
  void multiply(int64_t tile, int64_t apart, int64_t row, Products products) const {
    __m512 sums[T][M];
    for (auto& of_tile : sums)
      for (__m512& sum : of_tile) sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < blocks; ++i)
      for (int64_t t = 0; t < T; ++t) {
        const uint8_t* at = first + (tile + t * apart) * bytes + i * kTileBlockBytes;
        if (PREFETCH > 0)
          for (int64_t line = 0; line < kTileBlockBytes; line += 64) __builtin_prefetch(at + line + PREFETCH, 0, 2);
        const Weights weights(at, at + kValueBytes);
        for (int64_t r = 0; r < M; ++r) sums[t][r] = weights.add_dot(a[(row + r) * blocks + i], sums[t][r]);
      }
    for (int64_t t = 0; t < T; ++t)
      for (int64_t r = 0; r < M; ++r) _mm512_storeu_ps(products[t][r], sums[t][r]);
  }
};

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (!call->prepared || b.dtype != (WEIGHTS == 4 ? ASSAY_Q4_0 : ASSAY_Q8_0)) return ASSAY_UNSUPPORTED;
  const int64_t blocks = blocks_of(b);
  auto* const activations = static_cast<Activations*>(call->workspace);
  const Range of_a = share(a.dims[1] * blocks, 1, *thread);
  for (int64_t i = of_a.begin; i < of_a.end; ++i) quantize_block(a, i / blocks, i % blocks, activations + i);
  if (thread->count > 1) thread->barrier(thread);
  multiply_tiles<TILES>(*call, *thread, Tiles{static_cast<const uint8_t*>(call->prepared), activations, blocks});
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("int8_tiles", assay::workspace_bytes, assay::prepared_bytes, assay::prepare, assay::run)
