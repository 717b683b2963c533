// int8_tiles: NT with Q4_0 or Q8_0 weights repacked to tiles of 16 rows, so that a vector holds 16 or 8 outputs and a
// tile serves every row of A. WEIGHTS=4: Q4_0, 8: Q8_0. A is quantized to int8 blocks of 32.
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
  const int64_t blocks = blocks_of(b), first = tile * kTileRows, rows = least(kTileRows, b.dims[1] - first);
  const uint8_t* from[kTileRows];
  for (int64_t lane = 0; lane < rows; ++lane) from[lane] = block_row(b, 0, first + lane);
  for (int64_t i = 0; i < blocks; ++i)  // a block of all rows at a time: what is written stays near
    for (int64_t lane = 0; lane < kTileRows; ++lane) {
      uint8_t block[kBlockBytes] = {};  // rows that are not there are zero
      if (lane < rows) memcpy(block, from[lane] + i * kBlockBytes, sizeof block);
      memcpy(to + i * kTileBlockBytes + kValueBytes + lane * 2, block, 2);
      for (int64_t g = 0; g < (kBlockBytes - 2) / 4; ++g) {
        uint32_t four;
        memcpy(&four, block + 2 + 4 * g, 4);
        if (WEIGHTS == 8) four ^= 0x80808080u;
        memcpy(to + i * kTileBlockBytes + (g * kTileRows + lane) * 4, &four, 4);
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

#if defined(__AVX512VNNI__)

/// 16 rows of a block: what each lane multiplies with each group of A.
struct Weights {
  using Sums = __m512;
  __m512i groups[kGroups];
  __m512 scales;

  Weights(const uint8_t* block, int64_t)
      : scales(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + kValueBytes)))) {
#if WEIGHTS == 4
    const __m512i low = _mm512_set1_epi8(15);
    for (int64_t g = 0; g < kGroups / 2; ++g) {
      const __m512i both = _mm512_loadu_si512(block + 64 * g);
      groups[g] = _mm512_and_si512(both, low);
      groups[g + kGroups / 2] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
    }
#else
    for (int64_t g = 0; g < kGroups; ++g) groups[g] = _mm512_loadu_si512(block + 64 * g);
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

inline void store_sums(float* to, __m512 sums) { _mm512_storeu_ps(to, sums); }

#else

/// Eight rows of a block, from row 0 or 8 of the tile.
struct Weights {
  using Sums = __m256;
  __m256i groups[kGroups];
  __m256 scales;

  Weights(const uint8_t* block, int64_t row)
      : scales(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + kValueBytes + 2 * row)))) {
    const auto load = [&](int64_t g) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 64 * g + 4 * row));
    };
#if WEIGHTS == 4
    const __m256i low = _mm256_set1_epi8(15);
    for (int64_t g = 0; g < kGroups / 2; ++g) {
      groups[g] = _mm256_and_si256(load(g), low);
      groups[g + kGroups / 2] = _mm256_and_si256(_mm256_srli_epi16(load(g), 4), low);
    }
#elif defined(__AVXVNNI__)
    for (int64_t g = 0; g < kGroups; ++g) groups[g] = load(g);
#else
    for (int64_t g = 0; g < kGroups; ++g) groups[g] = _mm256_xor_si256(load(g), _mm256_set1_epi8(-128));
#endif
  }

  __m256i dot(const Activations& a) const {
#if defined(__AVXVNNI__)
    __m256i even = _mm256_set1_epi32(a.offset), odd = _mm256_setzero_si256();
    for (int64_t g = 0; g < kGroups; g += 2) {
      even = _mm256_dpbusd_avx_epi32(even, groups[g], _mm256_set1_epi32(a.groups[g]));
      odd = _mm256_dpbusd_avx_epi32(odd, groups[g + 1], _mm256_set1_epi32(a.groups[g + 1]));
    }
    return _mm256_add_epi32(even, odd);
#elif WEIGHTS == 4
    // 16 products of at most 15 · 127 stay below 2^15.
    __m256i sums = _mm256_maddubs_epi16(groups[0], _mm256_set1_epi32(a.groups[0]));
    for (int64_t g = 1; g < kGroups; ++g)
      sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(groups[g], _mm256_set1_epi32(a.groups[g])));
    return _mm256_add_epi32(_mm256_madd_epi16(sums, _mm256_set1_epi16(1)), _mm256_set1_epi32(a.offset));
#else
    // |w| ≤ 128 and |a| ≤ 127: two products stay below 2^15, nothing saturates.
    __m256i sums = _mm256_setzero_si256();
    for (int64_t g = 0; g < kGroups; ++g) {
      const __m256i signs = _mm256_sign_epi8(_mm256_set1_epi32(a.groups[g]), groups[g]);
      const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(groups[g]), signs);
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    return sums;
#endif
  }

  __m256 add_dot(const Activations& a, __m256 sum) const {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot(a)), _mm256_mul_ps(scales, _mm256_set1_ps(a.scale)), sum);
  }
};

inline void store_sums(float* to, __m256 sums) { _mm256_storeu_ps(to, sums); }

#endif

constexpr int64_t kRowsAtOnce = int64_t(sizeof(Weights::Sums) / sizeof(float)), kParts = kTileRows / kRowsAtOnce;

struct Tiles {
  const uint8_t* first;
  const Activations* a;
  int64_t blocks, bytes = tile_bytes(blocks);

  template <int64_t M, int64_t T>
  void multiply(int64_t tile, int64_t apart, int64_t row, Products products) const {
    Weights::Sums sums[T][kParts][M] = {};
    for (int64_t i = 0; i < blocks; ++i)
      for (int64_t t = 0; t < T; ++t) {
        const uint8_t* at = first + (tile + t * apart) * bytes + i * kTileBlockBytes;
        if (PREFETCH > 0)
          for (int64_t line = 0; line < kTileBlockBytes; line += 64) __builtin_prefetch(at + line + PREFETCH, 0, 2);
        for (int64_t part = 0; part < kParts; ++part) {
          const Weights weights(at, part * kRowsAtOnce);
          for (int64_t r = 0; r < M; ++r)
            sums[t][part][r] = weights.add_dot(a[(row + r) * blocks + i], sums[t][part][r]);
        }
      }
    for (int64_t t = 0; t < T; ++t)
      for (int64_t part = 0; part < kParts; ++part)
        for (int64_t r = 0; r < M; ++r) store_sums(products[t][r] + part * kRowsAtOnce, sums[t][part][r]);
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
