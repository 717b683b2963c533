// q4_dot: NT with Q4_0 weights as files have them; ROWS streams a thread. ACT=32: float activations, 8: quantized to
// int8 blocks.
#include "block_streams.h"

namespace assay {
namespace {

constexpr int kOffset = 8;  // value = scale · (nibble - 8)

#if defined(__AVX2__)

/// Low nibbles are values 0 … 15, high ones 16 … 31.
inline __m256i unpack(const uint8_t* nibbles) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(nibbles));
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
}

#endif
#if ACT == 8 && defined(__AVX2__)

/// What is taken off is in the block of A: 8 times its values' sums.
inline Vec add_dot_of(const uint8_t* block, const Int8Block& a, Vec sum) {
  const __m256i offsets = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a.offsets));
  const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(a.values));
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
  const __m256i dot = _mm256_dpbusd_epi32(offsets, unpack(block + 2), values);
#else
  // 15 · 127 twice stays below 2^15.
  const __m256i pairs = _mm256_maddubs_epi16(unpack(block + 2), values);
  const __m256i dot = _mm256_add_epi32(offsets, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
  return fma(_mm256_cvtepi32_ps(dot), mul(broadcast(block), set1(a.scale)), sum);
}

#elif ACT == 32 && defined(__AVX512F__) && (!defined(WIDTH) || WIDTH >= 512)

/// A look-up among sixteen floats takes the low four bits of its index.
inline Vec add_dot_of(const uint8_t* block, const Activations& a, Vec sum) {
  const __m512 table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 2)));
  const Vec low = _mm512_permutexvar_ps(bytes, table), high = _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, 4), table);
  return fma(fma(high, load(a.values + 16), mul(low, load(a.values))), broadcast(block), sum);
}

#else

inline Vec add_dot_of(const uint8_t* block, const Activations& a, Vec sum) {
  alignas(32) int8_t w[32];
#if defined(__AVX2__)
  _mm256_store_si256(reinterpret_cast<__m256i*>(w), _mm256_sub_epi8(unpack(block + 2), _mm256_set1_epi8(kOffset)));
#else
  for (int i = 0; i < 16; ++i) {
    w[i] = int8_t((block[2 + i] & 15) - kOffset);
    w[16 + i] = int8_t((block[2 + i] >> 4) - kOffset);
  }
#endif
#if ACT == 8
  return add_int8_dot(w, a, broadcast(block), sum);
#else
  Vec products = mul(load(w), load(a.values));
  for (int i = kLanes; i < 32; i += kLanes) products = fma(load(w + i), load(a.values + i), products);
  return fma(products, broadcast(block), sum);
#endif
}

#endif

struct Row {
  const uint8_t* row = nullptr;
  Row() = default;
  Row(const assay_tensor& b, int64_t r) : row(block_row(b, 0, r)) {}
  const uint8_t* at(int64_t i) const { return row + 18 * i; }
  Vec add_dot(int64_t i, const Activations& a, Vec sum) const { return add_dot_of(at(i), a, sum); }
};

int run(const assay_call* call, const assay_thread* thread) {
  const bool done = for_streams<kOffset>(*call, *thread, [](const assay_tensor& b, auto... rest) {
    if (b.dtype != ASSAY_Q4_0 || b.layout != ASSAY_BLOCKS) return false;
    multiply_rows<Row>(b, rest...);
    return true;
  });
  return done ? ASSAY_OK : ASSAY_UNSUPPORTED;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("q4_dot", assay::streams_workspace_bytes, nullptr, nullptr, assay::run)
