// batched_nn: attention's values: many small products with k×n weights: a block takes 8·ACROSS columns of one batch and one row of A; its
// threads share k, each with UNROLL rows of B in flight, and meet in shared memory; any strides, any sizes.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

constexpr int kEach = 8, kColumns = kEach * ACROSS, kDown = THREADS / ACROSS, kWarps = THREADS / 32;
static_assert(ACROSS <= 8 && kColumns <= THREADS, "a warp holds several rows, a thread finishes one column");

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  __shared__ float partial[kWarps][kColumns];
  const assay_cuda_segment& s = call.matmul.segment[0];
  const int across = int(threadIdx.x % unsigned(ACROSS)), down = int(threadIdx.x / unsigned(ACROSS)), lane = int(threadIdx.x % 32u);
  const int m_row = int(blockIdx.y), batch = int(blockIdx.z), k = call.matmul.a.dims[2], n = s.b.dims[1];
  const int first = int(blockIdx.x) * kColumns, column = first + across * kEach, finished = first + int(threadIdx.x);
  const int64_t stride = s.b.strides[2], a_stride = call.matmul.a.strides[2];
  const T *a = element<T>(call.matmul.a, batch, m_row, 0), *b = element<T>(s.b, batch, column, 0);
  const bool mine = threadIdx.x < kColumns && finished < n;
  float v[kEach] = {}, add = 0;
  if (reinterpret_cast<uintptr_t>(b) % 16 == 0 && stride % kEach == 0 && column + kEach <= n) {
    for (int from = down; from < k; from += kDown * UNROLL) {
      Words w[UNROLL];
      float x[UNROLL];
#pragma unroll
      for (int u = 0; u < UNROLL; ++u) {
        const int i = from + u * kDown;
        w[u] = load_words_if<kCached>(i < k, b + i * stride);
        x[u] = i < k ? to_float(a[i * a_stride]) : 0;
      }
      if (mine && from == down) add = addend<T>(call, s, batch, m_row, finished);
#pragma unroll
      for (int u = 0; u < UNROLL; ++u)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float y[2];
          unpack(w[u].w[i], T{}, y);
          v[2 * i] = fmaf(x[u], y[0], v[2 * i]), v[2 * i + 1] = fmaf(x[u], y[1], v[2 * i + 1]);
        }
    }
    if (mine && down >= k) add = addend<T>(call, s, batch, m_row, finished);
  } else {
    if (mine) add = addend<T>(call, s, batch, m_row, finished);
#pragma unroll 1
    for (int i = down; i < k; i += kDown)
#pragma unroll
      for (int j = 0; j < kEach; ++j)
        if (column + j < n) v[j] = fmaf(to_float(a[i * a_stride]), to_float(b[i * stride + j]), v[j]);
  }
#pragma unroll
  for (int j = 0; j < kEach; ++j)
#pragma unroll
    for (int offset = 16; offset >= ACROSS; offset /= 2) v[j] += __shfl_xor_sync(0xffffffffu, v[j], offset);
  if (lane < ACROSS)
#pragma unroll
    for (int j = 0; j < kEach; ++j) partial[threadIdx.x / 32u][across * kEach + j] = v[j];
  __syncthreads();
  if (!mine) return;
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += partial[w][threadIdx.x];
  store<T>(s, batch, m_row, finished, call.params[0].value * sum + add);
}

}  // namespace assay

ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(tn, f16, f16, f16) { assay::dot<assay::Half>(call); }
