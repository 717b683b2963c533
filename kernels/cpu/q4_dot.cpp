// q4_dot: NT with Q4_0 weights as files have them; ROWS streams a thread. ACT=32: float activations, 8: quantized to
// int8 blocks.
#include "block_streams.h"

namespace assay {
namespace {

constexpr int kOffset = 8;  // value = scale · (nibble - 8)

#if ACT == 8 && defined(__AVX2__)

/// Low nibbles are values 0 … 15, high ones 16 … 31. What is taken off them is in the block of A: 8 times its values'
/// sums.
inline Vec add_dot_of(const uint8_t* block, const Int8Block& a, Vec sum) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 2));
  const __m256i nibbles = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
  const __m256i offsets = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a.offsets));
  const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(a.values));
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
  const __m256i dot = _mm256_dpbusd_epi32(offsets, nibbles, values);
#else
  // 15 · 127 twice stays below 2^15.
  const __m256i pairs = _mm256_maddubs_epi16(nibbles, values);
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

#elif ACT == 32 && defined(__AVX2__)

inline Vec first_eight(__m128i steps) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(steps)); }
inline Vec add_dot_of(const uint8_t* block, const Activations& a, Vec sum) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 2));
  const __m128i four = _mm_set1_epi8(15), eight = _mm_set1_epi8(kOffset);
  const __m128i low = _mm_sub_epi8(_mm_and_si128(bytes, four), eight);
  const __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), four), eight);
  Vec products = mul(first_eight(low), load(a.values));
  products = fma(first_eight(_mm_srli_si128(low, 8)), load(a.values + 8), products);
  products = fma(first_eight(high), load(a.values + 16), products);
  products = fma(first_eight(_mm_srli_si128(high, 8)), load(a.values + 24), products);
  return fma(products, broadcast(block), sum);
}

#else

inline Vec add_dot_of(const uint8_t* block, const Activations& a, Vec sum) {
  int8_t w[32];
  for (int i = 0; i < 16; ++i) {
    w[i] = int8_t((block[2 + i] & 15) - kOffset);
    w[16 + i] = int8_t((block[2 + i] >> 4) - kOffset);
  }
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
