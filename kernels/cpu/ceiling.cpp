// ceiling: the team reads every byte of B once and computes nothing else: what any kernel that must read B can reach here.
#include "call.h"

namespace assay {
namespace {

#if defined(__AVX512F__)
typedef uint64_t Word __attribute__((vector_size(64), aligned(1), may_alias));
#elif defined(__AVX2__)
typedef uint64_t Word __attribute__((vector_size(32), aligned(1), may_alias));
#else
typedef uint64_t Word __attribute__((vector_size(16), aligned(1), may_alias));
#endif

/// Xor of all whole 8-byte words; UNROLL independent accumulators.
uint64_t fold(const char* p, int64_t bytes) {
  constexpr int64_t kStep = UNROLL * int64_t(sizeof(Word));
  Word accumulators[UNROLL] = {};
  int64_t i = 0;
  for (; i + kStep <= bytes; i += kStep) {
    if constexpr (PREFETCH > 0)
      for (int64_t line = 0; line < kStep; line += 64) __builtin_prefetch(p + i + line + PREFETCH, 0, 3);
    for (int u = 0; u < UNROLL; ++u)
      accumulators[u] ^= *reinterpret_cast<const Word*>(p + i + u * int64_t(sizeof(Word)));
  }
  uint64_t folded = 0;
  for (int u = 0; u < UNROLL; ++u)
    for (size_t lane = 0; lane < sizeof(Word) / 8; ++lane) folded ^= accumulators[u][lane];
  for (; i < bytes; ++i) folded ^= uint64_t(static_cast<unsigned char>(p[i])) << (8 * (i % 8));
  return folded;
}

uint64_t fold_share(const void* data, int64_t bytes, const assay_thread& thread) {
  const Range mine = share(bytes, 64, thread);
  return fold(static_cast<const char*>(data) + mine.begin, mine.end - mine.begin);
}

int64_t element_bytes(const assay_tensor& t) {
  if (t.layout == ASSAY_Q8_0_BLOCKS) return 34;
  if (t.layout == ASSAY_Q8_0_SPLIT) return 1;
  return t.dtype == ASSAY_F32 ? 4 : 2;
}

int run(const assay_call* call, const assay_thread* thread) {
  uint64_t folded = 0;
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    const int64_t columns = b.layout == ASSAY_Q8_0_BLOCKS ? b.dims[2] / 32 : b.dims[2];
    const int64_t last =
        (b.dims[0] - 1) * b.strides[0] + (b.dims[1] - 1) * b.strides[1] + (columns - 1) * b.strides[2];
    folded ^= fold_share(b.data, (last + 1) * element_bytes(b), *thread);
    if (b.layout == ASSAY_Q8_0_SPLIT) folded ^= fold_share(b.scales, b.dims[0] * b.dims[1] * (b.dims[2] / 32) * 2, *thread);
  }
  // Stored, so that no read can be left out.
  *static_cast<uint64_t*>(workspace_slice(*call, *thread, 64)) = folded;
  return ASSAY_OK;
}

size_t workspace_bytes(const assay_call*, uint32_t threads) { return size_t(threads) * 64; }

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("ceiling", assay::workspace_bytes, nullptr, nullptr, assay::run)
