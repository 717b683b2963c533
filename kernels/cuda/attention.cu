// attention: the plain loop: a warp a query head of a row, its lanes along the head; softmax with a running maximum.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

ASSAY_RUN {
  using namespace assay;
  constexpr int kOfLane = 16;  // values of a head: heads of up to 512
  const assay_cuda_tensor &q = *find_tensor(call, ASSAY_CUDA_A), &d = *find_tensor(call, ASSAY_CUDA_D),
                          &keys = *find_tensor(call, ASSAY_CUDA_CACHE, 0),
                          &values = *find_tensor(call, ASSAY_CUDA_CACHE, 1);
  const int size = keys.dims[2], heads = q.dims[2] / size, lane = int(threadIdx.x % 32u);
  const int64_t warp = (int64_t(blockIdx.x) * THREADS + threadIdx.x) / 32, row = warp / heads;
  if (row >= q.dims[1]) return;
  const int head = int(warp % heads), kv = head / (heads / keys.dims[0]), count = index_at(call, 0) + int(row) + 1;
  const float scale = param(call, ASSAY_CUDA_SCALE);
  float weighed[kOfLane] = {}, largest = __uint_as_float(0xff800000u), sum = 0;
  for (int j = 0; j < count; ++j) {
    float score = 0;
    for (int i = lane; i < size; i += 32)
      score = fmaf(value_at(q, 0, row, int64_t(head) * size + i), value_at(keys, kv, j, i), score);
    score = lanes_sum<32>(score) * scale;
    const float before = largest;
    largest = fmaxf(largest, score);
    const float weight = expf(score - largest), kept = expf(before - largest);
    sum = sum * kept + weight;
#pragma unroll
    for (int i = 0; i < kOfLane; ++i)
      if (lane + 32 * i < size) weighed[i] = weighed[i] * kept + weight * value_at(values, kv, j, lane + 32 * i);
  }
#pragma unroll
  for (int i = 0; i < kOfLane; ++i)
    if (lane + 32 * i < size) put(d, 0, row, int64_t(head) * size + lane + 32 * i, weighed[i] / sum);
}
