// top_k: the plain loop: a block a row, which looks at all of it once for each of the k.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "top_k.h"

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &a = call.tensors[0], &values = call.tensors[1], &places = call.tensors[2];
  __shared__ uint64_t shared[THREADS / 32];
  const int64_t row = blockIdx.x;
  const float* const from = static_cast<const float*>(a.data) + row * a.strides[1];
  uint64_t last = ~uint64_t(0);
  for (int i = 0; i < values.dims[2]; ++i) {
    uint64_t best = 0;
    for (int at = int(threadIdx.x); at < a.dims[2]; at += THREADS) {
      const uint64_t key = key_of(from[at * a.strides[2]], at);
      if (key < last && key > best) best = key;
    }
    last = block_largest<THREADS>(best, shared);
    if (threadIdx.x != 0) continue;
    static_cast<float*>(values.data)[row * values.strides[1] + i * values.strides[2]] = value_of_key(last);
    static_cast<int32_t*>(places.data)[row * places.strides[1] + i * places.strides[2]] = place_of_key(last);
  }
}
