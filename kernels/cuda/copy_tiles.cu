// copy_tiles: tiles of TALL of D's rows by 32 columns, read along whichever of the two lies together in A, through shared
// memory where that is the rows; DEEP rows at once; the types are known to the compiler. Lower tiles: more
// multiprocessors, where neither lies together and each value is a request of its own.
#define ASSAY_BOUNDS __launch_bounds__(32 * DEEP)
#include "copy_order.h"

namespace assay {

template <class A, class D, class Stride>
__device__ __forceinline__ void copy_tile(const Order<Stride>& o, const A* from, D* to) {
  constexpr int kValues = TALL / DEEP;             // of a thread
  constexpr int kColumns = 32 * DEEP / TALL;       // at once, read along rows
  const int x = int(threadIdx.x % 32u), y = int(threadIdx.x / 32u), first_n = int(blockIdx.x) * 32,
            first_m = int(blockIdx.y) * TALL;
  const int batch = int(blockIdx.z);
  from += int64_t(o.repeat > 1 ? batch / o.repeat : batch) * o.a[0];
  to += int64_t(batch) * o.d[0];
  // Where the rows lie together in A, they are read along rows and turned.
  const bool turns = o.a[1] == 1 && o.a[2] != 1;
  __shared__ float tile[32][TALL + 1];
  const int turned_row = int(threadIdx.x % unsigned(TALL)), turned_column = int(threadIdx.x / unsigned(TALL));
  float values[kValues];
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const int row = first_m + (turns ? turned_row : y + i * DEEP),
              column = first_n + (turns ? turned_column + i * kColumns : x);
    values[i] =
        row < o.rows && column < o.columns ? to_float(from[int64_t(row) * o.a[1] + int64_t(column) * o.a[2]]) : 0;
  }
  if (turns) {
#pragma unroll
    for (int i = 0; i < kValues; ++i) tile[turned_column + i * kColumns][turned_row] = values[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kValues; ++i) values[i] = tile[x][y + i * DEEP];
  }
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    const int row = first_m + y + i * DEEP, column = first_n + x;
    if (row < o.rows && column < o.columns)
      to[int64_t(row) * o.d[1] + int64_t(column) * o.d[2]] = from_float<D>(values[i]);
  }
}

template <class A, class D>
__device__ __noinline__ void copy_far(const assay_cuda_call& call) {
  copy_tile(far_order(call), static_cast<const A*>(call.tensors[0].data), static_cast<D*>(call.tensors[1].data));
}

template <class A, class D>
__device__ __forceinline__ void copy(const assay_cuda_call& call) {
  const assay_cuda_copy& c = call.copy;
  if (__builtin_expect(c.batches == 0, 0)) return copy_far<A, D>(call);
  copy_tile(near_order(c), static_cast<const A*>(c.a), static_cast<D*>(c.d));
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
