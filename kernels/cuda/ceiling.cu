// ceiling: reads every byte of B once and computes nothing else: what any kernel that must read B can reach. Blocks read in turns, piece
// beside piece: shares of their own, far apart, took 0.3 µs more of 17 MB on an H200.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

__device__ __forceinline__ uint32_t fold_piece(const char* p, int64_t bytes) {
  const uint32_t words = uint32_t(bytes / 16), step = gridDim.x * THREADS;
  uint32_t folded = 0;
  for (uint32_t from = blockIdx.x * THREADS + threadIdx.x; from < words; from += step * UNROLL) {
    Words w[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) w[u] = load_words_if<HINT>(from + u * step < words, p + uint64_t(from + u * step) * 16);
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) folded ^= w[u].w[0] ^ w[u].w[1] ^ w[u].w[2] ^ w[u].w[3];
  }
  if (blockIdx.x == 0)
    for (int64_t i = int64_t(words) * 16 + threadIdx.x; i < bytes; i += THREADS) folded ^= static_cast<unsigned char>(p[i]);
  return folded;
}

__device__ __forceinline__ uint32_t fold_bytes(const void* data, int64_t bytes) {
  constexpr int64_t kPiece = int64_t(1) << 34;  // counted in 32 bits
  uint32_t folded = 0;
  for (int64_t done = 0; done < bytes; done += kPiece) folded ^= fold_piece(static_cast<const char*>(data) + done, min(bytes - done, kPiece));
  return folded;
}

}  // namespace assay

ASSAY_RUN {
  uint32_t folded = 0;
  if (call.brief.bytes > 0) {
    folded = assay::fold_bytes(call.brief.b, call.brief.bytes);
  } else {
    for (int s = 0; s < int(call.segments); ++s) {
      const assay_cuda_tensor& b = call.segment[s].b;
      folded ^= assay::fold_bytes(b.data, b.bytes);
      if (b.scale_bytes > 0) folded ^= assay::fold_bytes(b.scales, b.scale_bytes);
    }
  }
  // All but never true, and the compiler cannot know: no read can be left out.
  if (folded == 0x9e3779b9u) static_cast<uint32_t*>(call.workspace)[0] = folded;
}
