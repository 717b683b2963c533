// What kernels of this folder share: sums and maxima over a warp or a group of lanes, the last block of a grid.
#pragma once
#include <cstdint>

namespace assay {

inline constexpr int kThreads = 256;
inline constexpr unsigned kAll = 0xffffffffu;

inline __host__ __device__ int64_t pieces(int64_t total, int64_t each) { return (total + each - 1) / each; }

template <int LANES = 32>
__device__ inline float lanes_sum(float v) {
#pragma unroll
  for (int step = LANES / 2; step > 0; step /= 2) v += __shfl_xor_sync(kAll, v, step);
  return v;
}
template <int LANES = 32>
__device__ inline float lanes_max(float v) {
#pragma unroll
  for (int step = LANES / 2; step > 0; step /= 2) v = fmaxf(v, __shfl_xor_sync(kAll, v, step));
  return v;
}
__device__ inline double lanes_sum(double v) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(kAll, v, step);
  return v;
}

/// For all threads of a block: whether it is the last of `blocks` to come here, what the others wrote before being
/// visible to it. *counter is 0 before and after.
__device__ inline bool is_last_block(unsigned* counter, unsigned blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicInc(counter, blocks - 1) == blocks - 1;
  __syncthreads();
  if (last) __threadfence();
  return last;
}

}  // namespace assay
