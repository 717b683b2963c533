// Where a copy's values come from and go to: sizes and strides, out of the first lines of constants where they fit
// there.
#pragma once
#include "device.h"

namespace assay {

template <class Stride>
struct Order {
  int batches, rows, columns, repeat;
  Stride a[3], d[3];
};

__device__ __forceinline__ Order<int32_t> near_order(const assay_cuda_copy& c) {
  return {c.batches,
          c.rows,
          c.columns,
          c.repeat,
          {c.a_strides[0], c.a_strides[1], c.a_strides[2]},
          {c.d_strides[0], c.d_strides[1], c.d_strides[2]}};
}
/// Of tensors whose strides are no 32-bit numbers.
__device__ __forceinline__ Order<int64_t> far_order(const assay_cuda_call& call) {
  const assay_cuda_tensor &a = call.tensors[0], &d = call.tensors[1];
  return {d.dims[0],
          d.dims[1],
          d.dims[2],
          call.copy.repeat,
          {a.strides[0], a.strides[1], a.strides[2]},
          {d.strides[0], d.strides[1], d.strides[2]}};
}

}  // namespace assay
