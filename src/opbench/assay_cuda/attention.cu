// Attention: a block for some queries of a head. Keys and values pass through shared memory, the softmax is kept
// online.
#include <cmath>

#include "own_operations.h"
#include "threads.h"

namespace assay {
namespace {

constexpr int kWidth = 64;    // of a head; the only one that there is code for
constexpr int kQueries = 64;  // of a block
constexpr int kKeys = 32;     // at once

/// 256 threads: four a query, each with a quarter of the keys' scores and of the output's columns.
__global__ void __launch_bounds__(kThreads)
    attend(const float* q, const float* keys, const float* values, float* y, int length, float scale) {
  __shared__ float k[kKeys][kWidth + 4], v[kKeys][kWidth + 4], p[kQueries][kKeys + 1];
  const int64_t head = int64_t(blockIdx.y) * length * kWidth;
  const int row = threadIdx.x / 4, part = threadIdx.x % 4, query = blockIdx.x * kQueries + row;
  const float* mine = q + head + int64_t(min(query, length - 1)) * kWidth;
  float own[kWidth], out[kWidth / 4] = {}, top = -INFINITY, sum = 0;
#pragma unroll
  for (int d = 0; d < kWidth; ++d) own[d] = mine[d] * scale;
  for (int first = 0; first < length; first += kKeys) {
    __syncthreads();
    for (int at = threadIdx.x; at < kKeys * kWidth; at += kThreads) {
      const int key = at / kWidth, d = at % kWidth;
      const bool there = first + key < length;
      k[key][d] = there ? keys[head + int64_t(first + key) * kWidth + d] : 0;
      v[key][d] = there ? values[head + int64_t(first + key) * kWidth + d] : 0;
    }
    __syncthreads();
    float scores[kKeys / 4], higher = top;
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) {
      const int key = i * 4 + part;
      float score = 0;
#pragma unroll
      for (int d = 0; d < kWidth; ++d) score = fmaf(own[d], k[key][d], score);
      scores[i] = first + key < length ? score : -INFINITY;
      higher = fmaxf(higher, scores[i]);
    }
    higher = fmaxf(higher, __shfl_xor_sync(kAll, higher, 1));
    higher = fmaxf(higher, __shfl_xor_sync(kAll, higher, 2));
    const float shrink = __expf(top - higher);
    top = higher;
    float added = 0;
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) {
      const float e = __expf(scores[i] - top);
      p[row][i * 4 + part] = e;
      added += e;
    }
    sum = sum * shrink + added;
    __syncwarp();
#pragma unroll
    for (int d = 0; d < kWidth / 4; ++d) out[d] *= shrink;
    for (int key = 0; key < kKeys; ++key) {
      const float weight = p[row][key];
#pragma unroll
      for (int d = 0; d < kWidth / 4; ++d) out[d] = fmaf(weight, v[key][d * 4 + part], out[d]);
    }
    __syncwarp();
  }
  sum += __shfl_xor_sync(kAll, sum, 1);
  sum += __shfl_xor_sync(kAll, sum, 2);
  if (query >= length) return;
#pragma unroll
  for (int d = 0; d < kWidth / 4; ++d) y[head + int64_t(query) * kWidth + d * 4 + part] = out[d] / sum;
}

}  // namespace

DeviceRun make_attention(const OperationRow& row) {
  if (row.operation != Operation::attention || row.shape()[3] != kWidth) return {};
  const int64_t heads = row.shape()[0] * row.shape()[1], length = row.shape()[2];
  if (heads > 65535) return {};
  const dim3 blocks(unsigned(pieces(length, kQueries)), unsigned(heads));
  const float scale = 1 / std::sqrt(float(kWidth));
  return [=](const void* const* inputs, void* output) {
    attend<<<blocks, kThreads>>>(static_cast<const float*>(inputs[0]), static_cast<const float*>(inputs[1]),
                                 static_cast<const float*>(inputs[2]), static_cast<float*>(output), int(length), scale);
  };
}

}  // namespace assay
