// Neighbouring values of a row loaded and stored at once, and sums over a block: for kernels of dense rows.
#pragma once
#include "device.h"

namespace assay {

/// kCount values of T from `p`, aligned to the lesser of 16 bytes and all of them.
template <int kCount, class T>
__device__ __forceinline__ void load_pack(const T* p, float (&to)[kCount]) {
  constexpr int kWords = kCount * int(sizeof(T)) / 4;
  uint32_t words[kWords];
  if constexpr (kWords == 1) asm volatile("ld.global" ASSAY_CONSTANT ".u32 %0, [%1];" : "=r"(words[0]) : "l"(p));
  if constexpr (kWords == 2)
    asm volatile("ld.global" ASSAY_CONSTANT ".v2.u32 {%0,%1}, [%2];" : "=r"(words[0]), "=r"(words[1]) : "l"(p));
  if constexpr (kWords >= 4) {
#pragma unroll
    for (int i = 0; i < kWords; i += 4) {
      const Words v = load_words<kCached>(reinterpret_cast<const uint32_t*>(p) + i);
#pragma unroll
      for (int j = 0; j < 4; ++j) words[i + j] = v.w[j];
    }
  }
#pragma unroll
  for (int i = 0; i < kWords; ++i) unpack(words[i], T{}, &to[i * kPerWord<T>]);
}

template <int kCount, class T>
__device__ __forceinline__ void store_pack(T* p, const float (&from)[kCount]) {
  constexpr int kWords = kCount * int(sizeof(T)) / 4;
  uint32_t words[kWords];
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    if constexpr (sizeof(T) == 4)
      words[i] = __float_as_uint(from[i]);
    else
      words[i] = uint32_t(from_float<T>(from[2 * i]).bits) | uint32_t(from_float<T>(from[2 * i + 1]).bits) << 16;
  }
  if constexpr (kWords == 1) asm volatile("st.global.u32 [%0], %1;" ::"l"(p), "r"(words[0]) : "memory");
  if constexpr (kWords == 2)
    asm volatile("st.global.v2.u32 [%0], {%1,%2};" ::"l"(p), "r"(words[0]), "r"(words[1]) : "memory");
  if constexpr (kWords >= 4) {
#pragma unroll
    for (int i = 0; i < kWords; i += 4)
      asm volatile("st.global.v4.u32 [%0], {%1,%2,%3,%4};" ::"l"(reinterpret_cast<uint32_t*>(p) + i), "r"(words[i]),
                   "r"(words[i + 1]), "r"(words[i + 2]), "r"(words[i + 3])
                   : "memory");
  }
}

/// The sum of all threads' values, for every thread of a block of kThreads, all of which must call. `shared`: room for
/// a value of each warp.
template <int kThreads>
__device__ __forceinline__ float block_sum(float value, float* shared) {
  value = lanes_sum<32>(value);
  if constexpr (kThreads == 32) return value;
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kThreads / 32; ++i) sum += shared[i];
  return sum;
}

}  // namespace assay
