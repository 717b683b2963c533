// argmax_split: a row over several blocks; each brings its largest value and that one's place as one number, and the last
// that is done writes the largest number's place.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

constexpr int kMostRows = 4096;
// Zero between launches: the last block of a row sees to that.
__device__ unsigned long long best_of_row[kMostRows];
__device__ unsigned int blocks_done[kMostRows];

/// Larger for a larger value; −0 as 0.
__device__ __forceinline__ uint32_t in_order(float value) {
  const uint32_t bits = __float_as_uint(value + 0.0f);
  return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}

struct Best {
  float value;
  int place;
  /// Of values in the order of their places.
  __device__ __forceinline__ void meet(float other, int at) {
    if (other > value) value = other, place = at;
  }
};

/// A thread's own share: PIECES words of 16 bytes at a time.
template <class A>
__device__ __forceinline__ Best search(const A* row, int columns) {
  const float least = __uint_as_float(0xff800000u);
  Best best{least, -1};
  const int step = int(gridDim.x) * THREADS, thread = int(blockIdx.x) * THREADS + int(threadIdx.x);
  if (columns % kPerLoad<A> != 0) {
    if (thread < columns) best = {to_float(row[thread]), thread};
    for (int i = thread + step; i < columns; i += step) best.meet(to_float(row[i]), i);
    return best;
  }
  const int words = columns / kPerLoad<A>;
  if (thread < words) best.place = thread * kPerLoad<A>;
  for (int from = thread; from < words; from += step * PIECES) {
    Words w[PIECES];
#pragma unroll
    for (int p = 0; p < PIECES; ++p)
      w[p] = load_words_if<kCached>(from + p * step < words, reinterpret_cast<const Words*>(row) + from + p * step);
#pragma unroll
    for (int p = 0; p < PIECES; ++p) {
      if (from + p * step >= words) break;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float values[kPerWord<A>];
        unpack(w[p].w[i], A{}, values);
#pragma unroll
        for (int j = 0; j < kPerWord<A>; ++j)
          best.meet(values[j], (from + p * step) * kPerLoad<A> + i * kPerWord<A> + j);
      }
    }
  }
  return best;
}

template <class A>
__device__ __forceinline__ void find_best(const assay_cuda_call& call) {
  let_next_begin();
  __shared__ unsigned long long of_warp[THREADS / 32];
  wait_for_previous();
  const assay_cuda_operands& in = call.operands;
  const int row = int(blockIdx.y);
  const Best best = search(static_cast<const A*>(in.data[0]) + int64_t(row) * in.columns, in.columns);
  const uint32_t order = best.place < 0 ? 0 : in_order(best.value), largest = __reduce_max_sync(0xffffffffu, order);
  const uint32_t place = __reduce_min_sync(0xffffffffu, order == largest ? uint32_t(best.place) : 0xffffffffu);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = (unsigned long long)(largest) << 32 | (0xffffffffu - place);
  __syncthreads();
  if (threadIdx.x != 0) return;
  unsigned long long key = of_warp[0];
#pragma unroll
  for (int i = 1; i < THREADS / 32; ++i) key = of_warp[i] > key ? of_warp[i] : key;
  if (gridDim.x > 1) {
    atomicMax(&best_of_row[row], key);
    __threadfence();
    if (atomicAdd(&blocks_done[row], 1u) + 1 < gridDim.x) return;
    key = atomicExch(&best_of_row[row], 0ull);
    blocks_done[row] = 0;
  }
  static_cast<int32_t*>(in.data[1])[row] = int32_t(0xffffffffu - uint32_t(key));
}

}  // namespace assay

extern "C" __global__ void ASSAY_BOUNDS run_f32(const __grid_constant__ assay_cuda_call call) { assay::find_best<float>(call); }
extern "C" __global__ void ASSAY_BOUNDS run_f16(const __grid_constant__ assay_cuda_call call) { assay::find_best<assay::Half>(call); }
extern "C" __global__ void ASSAY_BOUNDS run_bf16(const __grid_constant__ assay_cuda_call call) { assay::find_best<assay::Bfloat>(call); }
