// Bulk copies to shared memory that complete on an mbarrier (compute capability 9.0). Addresses of shared memory are
// numbers.
#pragma once
#include "device.h"

namespace assay {

/// For one arrival a round: that of the thread that asks for the copies, which says how many bytes it waits for.
__device__ __forceinline__ void make_barrier(uint32_t barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(barrier) : "memory");
}
/// After the thread that made them: the copy engine may use them.
__device__ __forceinline__ void show_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
/// Says what is to arrive in this round of the barrier.
__device__ __forceinline__ void expect_bytes(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
/// Weights, which are read once: multiples of 16 bytes, both ends aligned to 16.
__device__ __forceinline__ void copy_bulk(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::
          "r"(to),
      "l"(from), "r"(bytes), "r"(barrier), "l"(policy)
      : "memory");
}
__device__ __forceinline__ void copy_ahead(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  expect_bytes(barrier, bytes);
  copy_bulk(to, from, bytes, barrier);
}
/// By how many bytes a copy of B is to begin earlier, so that it begins with a line: one that begins within a line meets
/// two lines for each of shared memory, and takes up to a third longer on an H200. At most 112, which a launch's
/// shared_bytes allow for, and at most `before`: what B has in front of it.
constexpr uint32_t kLine = 128;
__device__ __forceinline__ uint32_t lead_of(const void* from, uint32_t before) {
  return min(uint32_t(reinterpret_cast<uintptr_t>(from)) % kLine, before);
}
/// How a warp asks for a block's weights: in one copy, in one a lane, or in copies of so many bytes.
constexpr uint32_t kOneCopy = 0, kCopyALane = 1;
/// `bytes` of them by a warp, all of whose lanes call. One lane, before, has said how many bytes the barrier waits for.
template <uint32_t kPiece>
__device__ __forceinline__ void copy_in_pieces(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
  const uint32_t lane = threadIdx.x % 32u;
  if constexpr (kPiece == kOneCopy) {
    if (lane == 0) copy_bulk(to, from, bytes, barrier);
  } else if constexpr (kPiece == kCopyALane) {
    const uint32_t piece = (bytes + 511) / 512 * 16, begin = lane * piece;
    if (begin < bytes)
      copy_bulk(to + begin, static_cast<const char*>(from) + begin, min(piece, bytes - begin), barrier);
  } else {
    for (uint32_t at = lane * kPiece; at < bytes; at += 32 * kPiece)
      copy_bulk(to + at, static_cast<const char*>(from) + at, min(kPiece, bytes - at), barrier);
  }
}
/// Until all of it is there. `round` is 0 in the barrier's first round, 1 in its second, 0 again …
__device__ __forceinline__ void wait_for(uint32_t barrier, uint32_t round) {
  asm volatile(
      "{.reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;}" ::"r"(barrier),
      "r"(round)
      : "memory");
}
__device__ __forceinline__ Words words_of_stage(uint32_t at) {
  Words v;
  asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
               : "r"(at)
               : "memory");
  return v;
}

}  // namespace assay
