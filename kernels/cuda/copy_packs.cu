// copy_packs: what lies alike, as one row of all its values: a thread a few neighbouring ones; a repeated batch is read again.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "packs.h"

namespace assay {

template <class A, class D>
__device__ __forceinline__ void copy(const assay_cuda_call& call) {
  const assay_cuda_tensor &a = call.tensors[0], &d = call.tensors[1];
  const int64_t of_batch = int64_t(d.dims[1]) * d.dims[2], all = of_batch * d.dims[0], repeat = d.dims[0] / a.dims[0];
  const int64_t at = (int64_t(blockIdx.x) * THREADS + threadIdx.x) * VALUES;
  if (at >= all) return;
  const A* const from = static_cast<const A*>(a.data);
  D* const to = static_cast<D*>(d.data);
  if (of_batch % VALUES == 0) {
    float values[VALUES];
    load_pack(from + at / of_batch / repeat * of_batch + at % of_batch, values);
    return store_pack(to + at, values);
  }
  for (int64_t i = at; i < at + VALUES && i < all; ++i)
    to[i] = from_float<D>(to_float(from[i / of_batch / repeat * of_batch + i % of_batch]));
}

}  // namespace assay

#define ASSAY_COPY(a, d, A, D) \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##d(const __grid_constant__ assay_cuda_call call) { assay::copy<A, D>(call); }
#define ASSAY_COPY_OF(a, A) \
  ASSAY_COPY(a, f32, A, float) ASSAY_COPY(a, f16, A, assay::Half) ASSAY_COPY(a, bf16, A, assay::Bfloat)
ASSAY_COPY_OF(f32, float)
ASSAY_COPY_OF(f16, assay::Half)
ASSAY_COPY_OF(bf16, assay::Bfloat)
