// A value with its place as one number: the larger is the larger value, of equal ones the earlier place; 0 is none.
#pragma once
#include "device.h"

namespace assay {

__device__ __forceinline__ uint64_t key_of(float value, int place) {
  const uint32_t bits = __float_as_uint(value + 0.0f);  // -0 is 0
  const uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return uint64_t(ordered) << 32 | uint32_t(~uint32_t(place));
}
__device__ __forceinline__ float value_of_key(uint64_t key) {
  const uint32_t ordered = uint32_t(key >> 32);
  return __uint_as_float(ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered);
}
__device__ __forceinline__ int place_of_key(uint64_t key) { return int(~uint32_t(key)); }

/// The largest of all threads' keys, for all of them. `shared`: a key of each warp; used again only behind the next barrier.
template <int kThreads>
__device__ __forceinline__ uint64_t block_largest(uint64_t key, uint64_t* shared) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    const uint64_t other = __shfl_xor_sync(0xffffffffu, key, offset);
    key = other > key ? other : key;
  }
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = key;
  __syncthreads();
#pragma unroll
  for (int w = 0; w < kThreads / 32; ++w) key = shared[w] > key ? shared[w] : key;
  return key;
}

}  // namespace assay
