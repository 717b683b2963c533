// Q8_0 weights in registers: eight-bit integers to halves, exactly; sums of a block are scaled afterwards, in F32.
#pragma once
#include "device.h"

namespace assay {

/// Four signed bytes as four halves: u = q + 128 placed below the exponent of 1024 is 1024 + u; less 1152 that is q,
/// exactly.
__device__ __forceinline__ void bytes_to_halves(uint32_t bytes, uint32_t& low, uint32_t& high) {
  const uint32_t biased = bytes ^ 0x80808080u;
  low = __byte_perm(biased, 0x64646464u, 0x4140);
  high = __byte_perm(biased, 0x64646464u, 0x4342);
  asm("sub.rn.f16x2 %0, %0, %1;" : "+r"(low) : "r"(0x64806480u));
  asm("sub.rn.f16x2 %0, %0, %1;" : "+r"(high) : "r"(0x64806480u));
}

/// Four values as bytes that are 128 more, and two of those as halves.
__device__ __forceinline__ uint32_t biased_bytes(uint32_t bytes) { return bytes ^ 0x80808080u; }
__device__ __forceinline__ uint32_t lower_halves(uint32_t biased) {
  uint32_t v = __byte_perm(biased, 0x64646464u, 0x4140);
  asm("sub.rn.f16x2 %0, %0, %1;" : "+r"(v) : "r"(0x64806480u));
  return v;
}
__device__ __forceinline__ uint32_t upper_halves(uint32_t biased) {
  uint32_t v = __byte_perm(biased, 0x64646464u, 0x4342);
  asm("sub.rn.f16x2 %0, %0, %1;" : "+r"(v) : "r"(0x64806480u));
  return v;
}

__device__ __forceinline__ float scale_at(const void* scales, int64_t index) {
  return to_float(static_cast<const Half*>(scales)[index]);
}

}  // namespace assay
