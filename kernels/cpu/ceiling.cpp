// ceiling: the team reads every byte of B once and computes nothing else: what any kernel that must read B can reach
// here.
#include "blocks.h"

namespace assay {
namespace {

#if defined(__AVX512F__) && WIDTH >= 512
typedef uint64_t Word __attribute__((vector_size(64), aligned(1), may_alias));
#elif defined(__AVX2__) && WIDTH >= 256
typedef uint64_t Word __attribute__((vector_size(32), aligned(1), may_alias));
#else
typedef uint64_t Word __attribute__((vector_size(16), aligned(1), may_alias));
#endif

/// Xor of all bytes, in words: STREAMS parts read side by side, UNROLL independent accumulators each.
uint64_t fold(const char* p, int64_t bytes) {
  constexpr int64_t kStep = UNROLL * int64_t(sizeof(Word));
  const int64_t each = bytes / STREAMS / kStep * kStep;
  Word accumulators[STREAMS][UNROLL] = {};
  for (int64_t i = 0; i < each; i += kStep)
    for (int s = 0; s < STREAMS; ++s) {
      const char* at = p + s * each + i;
      if constexpr (PREFETCH > 0)
        for (int64_t line = 0; line < kStep; line += 64) __builtin_prefetch(at + line + PREFETCH, 0, 2);
      for (int u = 0; u < UNROLL; ++u)
        accumulators[s][u] ^= *reinterpret_cast<const Word*>(at + u * int64_t(sizeof(Word)));
    }
  uint64_t folded = 0;
  for (int s = 0; s < STREAMS; ++s)
    for (int u = 0; u < UNROLL; ++u)
      for (size_t lane = 0; lane < sizeof(Word) / 8; ++lane) folded ^= accumulators[s][u][lane];
  for (int64_t i = each * STREAMS; i < bytes; ++i)
    folded ^= uint64_t(static_cast<unsigned char>(p[i])) << (8 * (i % 8));
  return folded;
}

uint64_t fold_share(const void* data, int64_t bytes, const assay_thread& thread) {
  const Range mine = share(bytes, 64, thread);
  return fold(static_cast<const char*>(data) + mine.begin, mine.end - mine.begin);
}

/// Of what its strides count.
BlockShape unit_of(const assay_tensor& t) {
  return t.layout == ASSAY_Q8_0_SPLIT ? BlockShape{1, 1} : block_shape(t.dtype);
}

int run(const assay_call* call, const assay_thread* thread) {
  uint64_t folded = 0;
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    const BlockShape unit = unit_of(b);
    const int64_t columns = b.dims[2] / unit.values;
    const int64_t last = (b.dims[0] - 1) * b.strides[0] + (b.dims[1] - 1) * b.strides[1] + (columns - 1) * b.strides[2];
    folded ^= fold_share(b.data, (last + 1) * unit.bytes, *thread);
    if (b.layout == ASSAY_Q8_0_SPLIT)
      folded ^= fold_share(b.scales, b.dims[0] * b.dims[1] * (b.dims[2] / 32) * 2, *thread);
  }
  // Stored, so that no read can be left out.
  *static_cast<uint64_t*>(workspace_slice(*call, *thread, 64)) = folded;
  return ASSAY_OK;
}

size_t workspace_bytes(const assay_call*, uint32_t threads) { return size_t(threads) * 64; }

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("ceiling", assay::workspace_bytes, nullptr, nullptr, assay::run)
