// rms_norm_block: a block a row, which it holds in registers: every operand is asked for before any is looked at.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"
#include "packs.h"

namespace assay {

constexpr int kHeld = THREADS * VALUES * PIECES;

/// Rows that are longer, or no whole packs: read twice.
__device__ __noinline__ void norm_any(const assay_cuda_call& call, float* shared) {
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &w = *find_tensor(call, ASSAY_CUDA_B),
                          &d = *find_tensor(call, ASSAY_CUDA_D);
  const assay_cuda_tensor *residual = find_tensor(call, ASSAY_CUDA_C), *sum = find_tensor(call, ASSAY_CUDA_D, 1);
  const int64_t row = blockIdx.x;
  const int columns = a.dims[2];
  wait_for_previous();
  const auto x = [&](int i) {
    return residual ? value_at(a, 0, row, i) + value_at(*residual, 0, row, i) : value_at(a, 0, row, i);
  };
  float squares = 0;
  for (int i = int(threadIdx.x); i < columns; i += THREADS) squares = fmaf(x(i), x(i), squares);
  const float scale = rsqrtf(block_sum<THREADS>(squares, shared) / float(columns) + call.operands.params[0]);
  for (int i = int(threadIdx.x); i < columns; i += THREADS) {
    const float value = x(i);
    put(d, 0, row, i, value * scale * value_at(w, 0, 0, i));
    if (residual) put(*sum, 0, row, i, value);
  }
}

template <class A, class B, class D, bool kResidual>
__device__ __forceinline__ void norm(const assay_cuda_call& call) {
  let_next_begin();
  __shared__ float shared[THREADS / 32];
  const assay_cuda_operands& in = call.operands;
  const int columns = in.columns;
  if (__builtin_expect(columns > kHeld || columns % VALUES != 0, 0)) return norm_any(call, shared);
  const int64_t row = int64_t(blockIdx.x) * columns;
  float x[PIECES][VALUES], c[PIECES][VALUES], w[PIECES][VALUES];
#pragma unroll
  for (int p = 0; p < PIECES; ++p) {
    const int at = (p * THREADS + int(threadIdx.x)) * VALUES;
    if (at < columns) load_pack(static_cast<const B*>(in.data[1]) + at, w[p]);
  }
  wait_for_previous();
#pragma unroll
  for (int p = 0; p < PIECES; ++p) {
    const int at = (p * THREADS + int(threadIdx.x)) * VALUES;
    if (at >= columns) break;
    load_pack(static_cast<const A*>(in.data[0]) + row + at, x[p]);
    if constexpr (kResidual) load_pack(static_cast<const A*>(in.data[3]) + row + at, c[p]);
  }
  float squares = 0;
#pragma unroll
  for (int p = 0; p < PIECES; ++p) {
    if ((p * THREADS + int(threadIdx.x)) * VALUES >= columns) break;
#pragma unroll
    for (int i = 0; i < VALUES; ++i) {
      if constexpr (kResidual) x[p][i] += c[p][i];
      squares = fmaf(x[p][i], x[p][i], squares);
    }
    if constexpr (kResidual)
      store_pack(static_cast<A*>(in.data[4]) + row + (p * THREADS + int(threadIdx.x)) * VALUES, x[p]);
  }
  const float scale = rsqrtf(block_sum<THREADS>(squares, shared) / float(columns) + in.params[0]);
#pragma unroll
  for (int p = 0; p < PIECES; ++p) {
    const int at = (p * THREADS + int(threadIdx.x)) * VALUES;
    if (at >= columns) break;
#pragma unroll
    for (int i = 0; i < VALUES; ++i) x[p][i] *= scale * w[p][i];
    store_pack(static_cast<D*>(in.data[2]) + row + at, x[p]);
  }
}

}  // namespace assay

#define ASSAY_NORM(a, b, d, A, B, D)                                                                              \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##b##_##d(const __grid_constant__ assay_cuda_call call) {     \
    assay::norm<A, B, D, false>(call);                                                                            \
  }                                                                                                               \
  extern "C" __global__ void ASSAY_BOUNDS fused_##a##_##b##_##d(const __grid_constant__ assay_cuda_call call) {   \
    assay::norm<A, B, D, true>(call);                                                                             \
  }
#define ASSAY_NORM_OF(b, d, B, D) \
  ASSAY_NORM(f32, b, d, float, B, D) ASSAY_NORM(f16, b, d, assay::Half, B, D) ASSAY_NORM(bf16, b, d, assay::Bfloat, B, D)
ASSAY_NORM_OF(f32, f32, float, float)
ASSAY_NORM_OF(f32, f16, float, assay::Half)
ASSAY_NORM_OF(f32, bf16, float, assay::Bfloat)
ASSAY_NORM_OF(f16, f16, assay::Half, assay::Half)
ASSAY_NORM_OF(f16, f32, assay::Half, float)
ASSAY_NORM_OF(f16, bf16, assay::Half, assay::Bfloat)
ASSAY_NORM_OF(bf16, f32, assay::Bfloat, float)
ASSAY_NORM_OF(bf16, f16, assay::Bfloat, assay::Half)
ASSAY_NORM_OF(bf16, bf16, assay::Bfloat, assay::Bfloat)
