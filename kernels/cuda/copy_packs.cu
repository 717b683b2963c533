// copy_packs: what lies alike, as one row of all its values: a thread a few neighbouring ones; a repeated batch is read
// again.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "packs.h"

namespace assay {

template <class A, class D>
__device__ __forceinline__ void copy(const assay_cuda_call& call) {
  const assay_cuda_copy& o = call.copy;
  const int64_t of_batch = int64_t(o.rows) * o.columns;
  const int64_t at = (int64_t(blockIdx.x) * THREADS + threadIdx.x) * VALUES;
  const A* const from = static_cast<const A*>(o.a);
  D* const to = static_cast<D*>(o.d);
  const int batches = o.batches > 0 ? o.batches : call.tensors[1].dims[0];
  const int64_t all = of_batch * batches;
  if (at >= all) return;
  // Division of numbers of 32 bits takes a third of the time.
  const bool is_small = all < int64_t(1) << 31;
  const auto place = [&](int64_t i) {
    if (o.repeat == 1) return i;
    const int64_t batch = is_small ? int64_t(uint32_t(i) / uint32_t(of_batch)) : i / of_batch;
    return batch / o.repeat * of_batch + (i - batch * of_batch);
  };
  if (o.repeat == 1 ? all % VALUES == 0 : of_batch % VALUES == 0) {
    float values[VALUES];
    load_pack(from + place(at), values);
    return store_pack(to + at, values);
  }
  for (int64_t i = at; i < at + VALUES && i < all; ++i) to[i] = from_float<D>(to_float(from[place(i)]));
}

}  // namespace assay

#define ASSAY_COPY(a, d, A, D)                                                                          \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##d(const __grid_constant__ assay_cuda_call call) { \
    assay::copy<A, D>(call);                                                                            \
  }
#define ASSAY_COPY_OF(a, A) \
  ASSAY_COPY(a, f32, A, float) ASSAY_COPY(a, f16, A, assay::Half) ASSAY_COPY(a, bf16, A, assay::Bfloat)
ASSAY_COPY_OF(f32, float)
ASSAY_COPY_OF(f16, assay::Half)
ASSAY_COPY_OF(bf16, assay::Bfloat)
