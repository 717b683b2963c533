// peak: what the machine does at most: an empty dispatch, a copy, re-reading from cache, multiply-adds per second.
// KIND 0 empty, 1 copy B to D, 2 read B dims[0] times over, 3 f32 FMA, 4 int8 dot, 5 bf16 dot, 6 int8 tiles, 7 bf16
// tiles: as many multiply-adds as B has values, batches and all.
#include "call.h"
#if KIND >= 6
#include "amx.h"
#endif

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace assay {
namespace {

constexpr int kChains = 16;  // independent accumulators: more than latency × units of any core. They begin with
                             // different values: a compiler makes one chain of those that are equal

float multiply_adds(int64_t count) {
  Vec sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = set1(float(c));
  const Vec factor = set1(0.999f), addend = set1(0.001f);
  for (int64_t i = 0; i < count; i += kChains * kLanes)
    for (int c = 0; c < kChains; ++c) sums[c] = fma(sums[c], factor, addend);
  Vec total = sums[0];
  for (int c = 1; c < kChains; ++c) total = add(total, sums[c]);
  return sum(total);
}

#if defined(__AVX512VNNI__)
float int8_dots(int64_t count) {
  __m512i sums[kChains], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
  for (int c = 0; c < kChains; ++c) sums[c] = _mm512_set1_epi32(c);
  for (int64_t i = 0; i < count; i += kChains * 64) {
    asm volatile("" : "+v"(a), "+v"(b));
    for (int c = 0; c < kChains; ++c) sums[c] = _mm512_dpbusd_epi32(sums[c], a, b);
  }
  int total = 0;
  for (int c = 0; c < kChains; ++c) total += _mm512_reduce_add_epi32(sums[c]);
  return float(total);
}
#elif defined(__AVX2__)
/// Summed in 16 bits, as far as they go: nothing multiplies faster here.
float int8_dots(int64_t count) {
  __m256i sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = _mm256_set1_epi16(int16_t(c));
  const __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5);
  for (int64_t i = 0; i < count; i += kChains * 32)
    for (int c = 0; c < kChains; ++c) {
      __m256i factor = b;
      asm volatile("" : "+x"(factor));
      sums[c] = _mm256_add_epi16(sums[c], _mm256_maddubs_epi16(a, factor));
    }
  int total = 0;
  for (int c = 0; c < kChains; ++c) total += _mm256_extract_epi32(sums[c], 0);
  return float(total);
}
#else
float int8_dots(int64_t count) {
  int32_t sums[64] = {};
  int8_t a[64], b[64];
  for (int i = 0; i < 64; ++i) a[i] = int8_t(i), b[i] = int8_t(-i);
  for (int64_t i = 0; i < count; i += 64) {
    asm volatile("" : "+m"(a), "+m"(b));
    for (int lane = 0; lane < 64; ++lane) sums[lane] += int32_t(a[lane]) * b[lane];
  }
  int32_t total = 0;
  for (const int32_t sum : sums) total += sum;
  return float(total);
}
#endif

#if defined(__AVX512BF16__)
float bf16_dots(int64_t count) {
  __m512 sums[kChains];
  for (int c = 0; c < kChains; ++c) sums[c] = _mm512_set1_ps(float(c));
  __m512i a = _mm512_set1_epi16(0x3f80), b = _mm512_set1_epi16(0x3f00);
  for (int64_t i = 0; i < count; i += kChains * 32) {
    asm volatile("" : "+v"(a), "+v"(b));
    for (int c = 0; c < kChains; ++c) sums[c] = _mm512_dpbf16_ps(sums[c], (__m512bh)a, (__m512bh)b);
  }
  float total = 0;
  for (int c = 0; c < kChains; ++c) total += _mm512_reduce_add_ps(sums[c]);
  return total;
}
#else
float bf16_dots(int64_t count) { return multiply_adds(count); }
#endif

#if KIND >= 6
/// Four sums of 16 x 16 by turns: a product need not wait for the one before it.
float tile_products(int64_t count) {
  // Values of all sorts: with equal ones the same processor multiplies a quarter faster than it ever will with weights.
  alignas(64) uint16_t values[16 * 32];
  uint32_t drawn = 1;
  for (uint16_t& value : values) {
    drawn = drawn * 1664525 + 1013904223;
    value = uint16_t(KIND == 6 ? drawn >> 16 : 0x3f00 | (drawn >> 16 & 0x807f));  // bf16: ±0.5 … ±1
  }
  const TileRegisters registers(16, 64);
  load_tile<4>(values, 64), load_tile<5>(values, 64), load_tile<6>(values, 64), load_tile<7>(values, 64);
  clear_tile<0>(), clear_tile<1>(), clear_tile<2>(), clear_tile<3>();
  constexpr int64_t kEach = 16 * 16 * (KIND == 6 ? 64 : 32);
  for (int64_t i = 0; i < count; i += 4 * kEach) {
    if constexpr (KIND == 6) {
      add_int8_products<0, 4, 6>(), add_int8_products<1, 4, 7>();
      add_int8_products<2, 5, 6>(), add_int8_products<3, 5, 7>();
    } else {
      add_bf16_products<0, 4, 6>(), add_bf16_products<1, 4, 7>();
      add_bf16_products<2, 5, 6>(), add_bf16_products<3, 5, 7>();
    }
  }
  store_tile<0>(values, 64);
  return float(values[0]);
}
#endif

void copy(const assay_tensor& b, const assay_tensor& d, const assay_thread& thread) {
  const Range mine = share(b.dims[1] * b.dims[2] * 4, 64, thread);
  __builtin_memcpy(static_cast<char*>(d.data) + mine.begin, static_cast<const char*>(b.data) + mine.begin,
                   size_t(mine.end - mine.begin));
}

uint64_t read_again(const assay_tensor& b, const assay_thread& thread) {
  typedef uint64_t Word __attribute__((vector_size(sizeof(float) * kLanes), aligned(1), may_alias));
  const Range mine = share(b.dims[1] * b.dims[2] * 4, 64 * kChains, thread);
  Word folded[kChains] = {};
  for (int64_t pass = 0; pass < b.dims[0]; ++pass) {
    asm volatile("" ::: "memory");
    const char* p = static_cast<const char*>(b.data);
    for (int64_t i = mine.begin; i + kChains * int64_t(sizeof(Word)) <= mine.end; i += kChains * int64_t(sizeof(Word)))
      for (int c = 0; c < kChains; ++c) folded[c] ^= *reinterpret_cast<const Word*>(p + i + c * int64_t(sizeof(Word)));
  }
  uint64_t total = 0;
  for (int c = 0; c < kChains; ++c)
    for (size_t lane = 0; lane < sizeof(Word) / 8; ++lane) total ^= folded[c][lane];
  return total;
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor& b = *find_tensor(*call, ASSAY_B);
  const Range mine = share(b.dims[0] * b.dims[1] * b.dims[2], 1, *thread);
  float result = 0;
  if constexpr (KIND == 1) copy(b, *find_tensor(*call, ASSAY_D), *thread);
  if constexpr (KIND == 2) result = float(read_again(b, *thread));
  if constexpr (KIND == 3) result = multiply_adds(mine.end - mine.begin);
  if constexpr (KIND == 4) result = int8_dots(mine.end - mine.begin);
  if constexpr (KIND == 5) result = bf16_dots(mine.end - mine.begin);
#if KIND >= 6
  if (!may_use_tiles()) return ASSAY_UNSUPPORTED;
  result = tile_products(mine.end - mine.begin);
#endif
  *static_cast<float*>(workspace_slice(*call, *thread, 64)) = result;  // stored, so that no work can be left out
  return ASSAY_OK;
}

size_t workspace_bytes(const assay_call*, uint32_t threads) { return size_t(threads) * 64; }

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("peak", assay::workspace_bytes, nullptr, nullptr, assay::run)
