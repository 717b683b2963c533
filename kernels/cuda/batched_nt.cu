// batched_nt: attention's scores: many small products with n×k weights: LANES lanes a row of B, THREADS / LANES rows a block, a batch and
// a row of A per block; any strides, any sizes. Rows that allow it are read in 16-byte words.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  constexpr int kEach = kPerLoad<T>, kStep = LANES * kEach;
  const assay_cuda_segment& s = call.matmul.segment[0];
  const int lane = int(threadIdx.x % unsigned(LANES)), row = int(blockIdx.x) * (THREADS / LANES) + int(threadIdx.x / unsigned(LANES));
  const int m_row = int(blockIdx.y), batch = int(blockIdx.z), k = call.matmul.a.dims[2], n = s.b.dims[1];
  const T *a = element<T>(call.matmul.a, batch, m_row, 0), *b = element<T>(s.b, batch, min(row, n - 1), 0);
  const bool mine = lane == 0 && row < n;
  float sum = 0, add = 0;
  const uint64_t places = reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) | uint64_t(k) * sizeof(T);
  if (places % 16 == 0 && call.matmul.a.strides[2] == 1) {
    for (int i = lane * kEach; i < k; i += kStep) {
      const Words y = load_words<kCached>(b + i), x = load_words<kCached>(a + i);
      if (mine && i < kEach) add = addend<T>(call, s, batch, m_row, row);
      sum = dot_words<T>(x, y, sum);
    }
  } else {
    if (mine) add = addend<T>(call, s, batch, m_row, row);
#pragma unroll 1
    for (int i = lane; i < k; i += LANES) sum = fmaf(to_float(a[i * call.matmul.a.strides[2]]), to_float(b[i]), sum);
  }
  sum = lanes_sum<LANES>(sum);
  if (mine) store<T>(s, batch, m_row, row, call.params[0].value * sum + add);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(tt, f16, f16, f16) { assay::dot<assay::Half>(call); }
