// Operands of any op by their part, and their elements of any type by their place: for kernels that look while they run.
#pragma once
#include "blocks.h"

namespace assay {

__device__ __forceinline__ float value_at(const assay_cuda_tensor& t, int64_t batch, int64_t row, int64_t column) {
  if (t.layout == ASSAY_CUDA_BLOCKS) {
    const BlockShape shape = block_shape(t.dtype);
    const int64_t block = batch * t.strides[0] + row * t.strides[1] + column / shape.values;
    return block_value(t.dtype, static_cast<const uint8_t*>(t.data) + block * shape.bytes, int(column % shape.values));
  }
  if (t.layout == ASSAY_CUDA_Q8_0_SPLIT) {
    const int64_t block = ((batch * t.dims[1] + row) * t.dims[2] + column) / 32;
    return to_float(static_cast<const Half*>(t.scales)[block]) * float(*element<signed char>(t, batch, row, column));
  }
  if (t.dtype == ASSAY_CUDA_F16) return to_float(*element<Half>(t, batch, row, column));
  if (t.dtype == ASSAY_CUDA_BF16) return to_float(*element<Bfloat>(t, batch, row, column));
  return *element<float>(t, batch, row, column);
}

__device__ __forceinline__ void put(const assay_cuda_tensor& t, int64_t batch, int64_t row, int64_t column, float value) {
  void* const at = t.data;
  const int64_t i = batch * t.strides[0] + row * t.strides[1] + column * t.strides[2];
  if (t.dtype == ASSAY_CUDA_F16)
    static_cast<Half*>(at)[i] = from_float<Half>(value);
  else if (t.dtype == ASSAY_CUDA_BF16)
    static_cast<Bfloat*>(at)[i] = from_float<Bfloat>(value);
  else
    static_cast<float*>(at)[i] = value;
}

/// Null where the call has none.
__device__ __forceinline__ const assay_cuda_tensor* find_tensor(const assay_cuda_call& call, int role, int segment = 0) {
  for (int i = 0; i < int(call.tensor_count); ++i)
    if (call.tensors[i].role == role && call.tensors[i].segment == segment) return &call.tensors[i];
  return nullptr;
}

__device__ __forceinline__ float param(const assay_cuda_call& call, uint32_t id) {
  for (int i = 0; i < int(call.param_count); ++i)
    if (call.params[i].id == id) return call.params[i].value;
  return 0;
}

/// Of the op's index operand: a position or a row number.
__device__ __forceinline__ int32_t index_at(const assay_cuda_call& call, int64_t at) {
  return static_cast<const int32_t*>(find_tensor(call, ASSAY_CUDA_INDEX)->data)[at];
}

}  // namespace assay
