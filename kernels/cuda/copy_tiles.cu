// copy_tiles: squares of 32 by 32 of D's rows and columns, read along whichever of the two lies together in A, through
// shared memory where that is the rows; where it is the batches, squares of batches and of a batch's values. The types
// are known to the compiler.
#define ASSAY_BOUNDS __launch_bounds__(32 * DEEP)
#include "copy_order.h"

namespace assay {

constexpr int kMostOfBatch = 1 << 22;  // values, whose place a division of floats finds

/// Of A's batches, which lie together in it: squares of 32 of them and of 32 values of each, as many as there are.
template <class A, class D>
__device__ __forceinline__ void copy_batches(const Order<int32_t>& o, const A* from, D* to) {
  const int x = int(threadIdx.x % 32u), y = int(threadIdx.x / 32u), of_batch = o.rows * o.columns;
  const uint32_t across = uint32_t(o.batches + 31) / 32u, squares = uint32_t(of_batch + 31) / 32u * across;
  const float of_column = 1.0f / float(o.columns);
  const auto place = [&](int at, const int32_t(&strides)[3]) {
    int row = int(float(at) * of_column), column = at - row * o.columns;
    if (column < 0) --row, column += o.columns;
    if (column >= o.columns) ++row, column -= o.columns;
    return int64_t(row) * strides[1] + int64_t(column) * strides[2];
  };
  __shared__ float tile[32][33];
#pragma unroll 1
  for (uint32_t square = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z); square < squares;
       square += gridDim.x * gridDim.y * gridDim.z) {
    const int first_batch = int(square % across) * 32, first = int(square / across) * 32;
    const A* const of_lane = from + min(first_batch + x, o.batches - 1);
    float values[32 / DEEP];
#pragma unroll
    for (int i = 0; i < 32 / DEEP; ++i)
      values[i] = to_float(of_lane[place(min(first + y + i * DEEP, of_batch - 1), o.a)]);
    __syncthreads();  // the square before has left
#pragma unroll
    for (int i = 0; i < 32 / DEEP; ++i) tile[y + i * DEEP][x] = values[i];
    __syncthreads();
    if (first + x >= of_batch) continue;
    D* const to_lane = to + place(first + x, o.d);
#pragma unroll
    for (int i = 0; i < 32 / DEEP; ++i)
      if (const int batch = first_batch + y + i * DEEP; batch < o.batches)
        to_lane[int64_t(batch) * o.d[0]] = from_float<D>(tile[x][y + i * DEEP]);
  }
}

template <class A, class D, class Stride>
__device__ __forceinline__ void copy_tile(const Order<Stride>& o, const A* from, D* to) {
  const int x = int(threadIdx.x % 32u), y = int(threadIdx.x / 32u), first_n = int(blockIdx.x) * 32,
            first_m = int(blockIdx.y) * 32;
  const int batch = int(blockIdx.z);
  from += int64_t(o.repeat > 1 ? batch / o.repeat : batch) * o.a[0];
  to += int64_t(batch) * o.d[0];
  // Where the rows lie together in A, they are read along rows and turned.
  const bool turns = o.a[1] == 1 && o.a[2] != 1;
  __shared__ float tile[32][33];
  float values[32 / DEEP];
#pragma unroll
  for (int i = 0; i < 32 / DEEP; ++i) {
    const int row = first_m + (turns ? x : y + i * DEEP), column = first_n + (turns ? y + i * DEEP : x);
    values[i] =
        row < o.rows && column < o.columns ? to_float(from[int64_t(row) * o.a[1] + int64_t(column) * o.a[2]]) : 0;
  }
  if (turns) {
#pragma unroll
    for (int i = 0; i < 32 / DEEP; ++i) tile[y + i * DEEP][x] = values[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 32 / DEEP; ++i) values[i] = tile[x][y + i * DEEP];
  }
#pragma unroll
  for (int i = 0; i < 32 / DEEP; ++i) {
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
  const Order<int32_t> o = near_order(c);
  const A* const from = static_cast<const A*>(c.a);
  D* const to = static_cast<D*>(c.d);
  const bool batches_lie_together = o.a[0] == 1 && o.a[1] != 1 && o.a[2] != 1 && o.repeat == 1;
  if (batches_lie_together && int64_t(o.rows) * o.columns <= kMostOfBatch) return copy_batches(o, from, to);
  copy_tile(o, from, to);
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
