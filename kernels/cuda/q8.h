// Q8_0 weights in registers: eight-bit integers to halves, exactly; sums of a block are scaled afterwards, in F32.
#pragma once
#include "device.h"

namespace assay {

/// Four signed bytes as four halves: u = q + 128 placed below the exponent of 1024 is 1024 + u; less 1152 that is q, exactly.
__device__ __forceinline__ void bytes_to_halves(uint32_t bytes, uint32_t& low, uint32_t& high) {
  const uint32_t biased = bytes ^ 0x80808080u;
  low = __byte_perm(biased, 0x64646464u, 0x4140);
  high = __byte_perm(biased, 0x64646464u, 0x4342);
  asm("sub.rn.f16x2 %0, %0, %1;" : "+r"(low) : "r"(0x64806480u));
  asm("sub.rn.f16x2 %0, %0, %1;" : "+r"(high) : "r"(0x64806480u));
}

__device__ __forceinline__ float scale_at(const void* scales, int64_t index) { return to_float(static_cast<const Half*>(scales)[index]); }

/// 16 bytes from global to shared memory without registers; only `bytes` of them are read, the rest is zero. Both 16-byte aligned.
__device__ __forceinline__ void copy_async(void* shared, const void* global, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(uint32_t(__cvta_generic_to_shared(shared))), "l"(global), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void copies_done() { asm volatile("cp.async.wait_all;" ::: "memory"); }

}  // namespace assay
