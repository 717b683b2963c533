// top_k_split: a row over blocks, each of which has its values in registers and takes the k largest out of them, one after the other; the
// last block that is done merges the lists, which are sorted: a thread each.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "top_k.h"

namespace assay {

constexpr int kMostRows = 4096;

// Zero between launches: the last block sees to that.
__device__ unsigned int lists_done[kMostRows];

/// Writes the k largest of what `next` gives: this thread's largest key that was not taken yet; told when it is.
template <class Next, class Take>
__device__ __forceinline__ void take_largest(int k, uint64_t* shared, Next next, Take take) {
  for (int i = 0; i < k; ++i) {
    const uint64_t mine = next(), best = block_largest<THREADS>(mine, shared);
    take(i, best, mine == best && best != 0);
  }
}

}  // namespace assay

ASSAY_RUN {
  using namespace assay;
  __shared__ uint64_t shared[THREADS / 32];
  __shared__ bool is_last;
  const assay_cuda_tensor &a = call.tensors[0], &values = call.tensors[1], &places = call.tensors[2];
  const int n = a.dims[2], k = values.dims[2], lists = int(gridDim.x), first = int(blockIdx.x) * THREADS * PIECES + int(threadIdx.x);
  const int64_t row = blockIdx.y;
  const float* const from = static_cast<const float*>(a.data) + row * n;
  const auto write = [&](int i, uint64_t key) {
    static_cast<float*>(values.data)[row * k + i] = value_of_key(key);
    static_cast<int32_t*>(places.data)[row * k + i] = place_of_key(key);
  };
  uint64_t* const list = static_cast<uint64_t*>(call.workspace) + (row * lists + blockIdx.x) * k;

  float v[PIECES];
#pragma unroll
  for (int i = 0; i < PIECES; ++i) v[i] = load_if(first + i * THREADS < n, from + first + i * THREADS);
  uint64_t keys[PIECES], largest = 0;
#pragma unroll
  for (int i = 0; i < PIECES; ++i) {
    keys[i] = first + i * THREADS < n ? key_of(v[i], first + i * THREADS) : 0;
    largest = keys[i] > largest ? keys[i] : largest;
  }
  take_largest(
      k, shared, [&] { return largest; },
      [&](int i, uint64_t best, bool is_mine) {
        if (threadIdx.x == 0 && lists == 1) write(i, best);
        if (threadIdx.x == 0 && lists > 1) list[i] = best;
        if (!is_mine) return;
        largest = 0;
#pragma unroll
        for (int p = 0; p < PIECES; ++p) {
          keys[p] = keys[p] == best ? 0 : keys[p];
          largest = keys[p] > largest ? keys[p] : largest;
        }
      });
  if (lists == 1) return;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    is_last = atomicAdd(&lists_done[row], 1u) + 1 == unsigned(lists);
    if (is_last) lists_done[row] = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  const volatile uint64_t* const mine = static_cast<const uint64_t*>(call.workspace) + (row * lists + threadIdx.x) * k;
  int taken = 0;
  uint64_t head = int(threadIdx.x) < lists ? mine[0] : 0;
  take_largest(
      k, shared, [&] { return head; },
      [&](int i, uint64_t best, bool is_mine) {
        if (threadIdx.x == 0) write(i, best);
        if (is_mine) head = ++taken < k ? mine[taken] : 0;
      });
}
