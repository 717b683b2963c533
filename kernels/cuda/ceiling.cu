// ceiling: reads every byte of B once and computes nothing else: what any kernel that must read B can reach. Blocks read in turns, piece
// beside piece: shares of their own, far apart, took 0.3 µs more of 17 MB on an H200.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

__device__ __forceinline__ uint32_t fold_bytes(const void* data, int64_t bytes) {
  const char* p = static_cast<const char*>(data);
  const uint32_t step = gridDim.x * THREADS;
  uint32_t folded = 0, words = uint32_t(min(bytes / 16, int64_t(1) << 30));
  for (;;) {
    for (uint32_t from = blockIdx.x * THREADS + threadIdx.x; from < words; from += step * UNROLL) {
      Words w[UNROLL];
#pragma unroll
      for (int u = 0; u < UNROLL; ++u) w[u] = load_words_if<HINT>(from + u * step < words, p + uint64_t(from + u * step) * 16);
#pragma unroll
      for (int u = 0; u < UNROLL; ++u) folded ^= w[u].w[0] ^ w[u].w[1] ^ w[u].w[2] ^ w[u].w[3];
    }
    const int64_t done = int64_t(words) * 16;
    if (bytes - done < 16) break;  // pieces are counted in 32 bits
    p += done, bytes -= done, words = uint32_t(min(bytes / 16, int64_t(1) << 30));
  }
  if (blockIdx.x == 0)
    for (int64_t i = int64_t(words) * 16 + threadIdx.x; i < bytes; i += THREADS) folded ^= static_cast<unsigned char>(p[i]);
  return folded;
}

/// Several segments, or one with scales, in turns side by side: a thread's loads of all of them are on their way together. One segment is
/// read as three thirds.
__device__ __forceinline__ uint32_t fold_parts(const assay_cuda_brief& brief) {
  constexpr int kParts = ASSAY_CUDA_SEGMENTS;
  const uint32_t step = gridDim.x * THREADS, thread = blockIdx.x * THREADS + threadIdx.x;
  uint32_t folded = 0, words[2 * kParts], most = 0;
  const char* p[2 * kParts];
#pragma unroll
  for (int s = 0; s < kParts; ++s) {
    p[s] = static_cast<const char*>(brief.part[s].b), words[s] = uint32_t(brief.bytes[s] / 16);
    p[kParts + s] = static_cast<const char*>(brief.scales[s]), words[kParts + s] = uint32_t(brief.scale_bytes[s] / 16);
  }
  // What is no whole 16 bytes, at the ends.
  if (thread < 16)
#pragma unroll
    for (int s = 0; s < 2 * kParts; ++s) {
      const int64_t bytes = s < kParts ? brief.bytes[s] : brief.scale_bytes[s - kParts], i = int64_t(words[s]) * 16 + thread;
      if (i < bytes) folded ^= static_cast<unsigned char>(p[s][i]);
    }
  if (brief.segments == 1) {
    const uint32_t all = words[0], third = (all + 2) / 3;
    p[1] = p[0] + int64_t(third) * 16, p[2] = p[0] + int64_t(third) * 32;
    words[0] = third, words[1] = min(third, all - min(all, third)), words[2] = all - min(all, 2 * third);
  }
#pragma unroll
  for (int s = 0; s < 2 * kParts; ++s) most = max(most, words[s]);
  for (uint32_t from = thread; from < most; from += step) {
    Words w[2 * kParts];
#pragma unroll
    for (int s = 0; s < 2 * kParts; ++s) w[s] = load_words_if<HINT>(from < words[s], p[s] + uint64_t(from) * 16);
#pragma unroll
    for (int s = 0; s < 2 * kParts; ++s) folded ^= w[s].w[0] ^ w[s].w[1] ^ w[s].w[2] ^ w[s].w[3];
  }
  return folded;
}

}  // namespace assay

ASSAY_RUN {
  const assay_cuda_brief& brief = call.brief;
  uint32_t folded = 0;
  if (brief.segments == 1 && !brief.scales[0])
    folded = assay::fold_bytes(brief.part[0].b, brief.bytes[0]);
  else
    folded = assay::fold_parts(brief);
  // All but never true, and the compiler cannot know: no read can be left out.
  if (folded == 0x9e3779b9u) static_cast<uint32_t*>(call.workspace)[0] = folded;
}
