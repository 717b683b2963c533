// swiglu_packs: a thread a few neighbouring values, of all rows as if they were one.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "packs.h"

namespace assay {

/// exp(−gate) is ∞ from −88.8 down: gate / ∞ is 0, as it should be. A quick division gives 0 a little earlier.
__device__ __forceinline__ float swiglu(float gate, float up) { return __fdividef(gate, 1 + expf(-gate)) * up; }

template <class A, class D>
__device__ __forceinline__ void combine(const assay_cuda_call& call) {
  const assay_cuda_operands& in = call.operands;
  const int64_t all = int64_t(in.rows) * in.columns, at = (int64_t(blockIdx.x) * THREADS + threadIdx.x) * VALUES;
  const A *gate = static_cast<const A*>(in.data[0]) + at, *up = static_cast<const A*>(in.data[1]) + at;
  D* const d = static_cast<D*>(in.data[2]) + at;
  if (at + VALUES <= all) {
    float g[VALUES], u[VALUES];
    load_pack(gate, g);
    load_pack(up, u);
#pragma unroll
    for (int i = 0; i < VALUES; ++i) g[i] = swiglu(g[i], u[i]);
    store_pack(d, g);
  } else {
    for (int i = 0; at + i < all; ++i) d[i] = from_float<D>(swiglu(to_float(gate[i]), to_float(up[i])));
  }
}

}  // namespace assay

#define ASSAY_SWIGLU(a, d, A, D) \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##d(const __grid_constant__ assay_cuda_call call) { assay::combine<A, D>(call); }
ASSAY_SWIGLU(f32, f32, float, float)
ASSAY_SWIGLU(f32, f16, float, assay::Half)
ASSAY_SWIGLU(f32, bf16, float, assay::Bfloat)
ASSAY_SWIGLU(f16, f32, assay::Half, float)
ASSAY_SWIGLU(f16, f16, assay::Half, assay::Half)
ASSAY_SWIGLU(f16, bf16, assay::Half, assay::Bfloat)
ASSAY_SWIGLU(bf16, f32, assay::Bfloat, float)
ASSAY_SWIGLU(bf16, f16, assay::Bfloat, assay::Half)
ASSAY_SWIGLU(bf16, bf16, assay::Bfloat, assay::Bfloat)
