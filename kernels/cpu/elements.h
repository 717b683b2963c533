// Operands value by value, whatever their type: for plain loops.
#pragma once
#include "call.h"

namespace assay {

inline float element(const assay_tensor& t, int64_t batch, int64_t row, int64_t column) {
  if (t.layout == ASSAY_Q8_0_BLOCKS) {
    const char* block =
        static_cast<const char*>(t.data) + 34 * (batch * t.strides[0] + row * t.strides[1] + column / 32);
    Half scale;
    memcpy(&scale, block, sizeof scale);
    return to_float(scale) * float(static_cast<signed char>(block[2 + column % 32]));
  }
  const int64_t at = batch * t.strides[0] + row * t.strides[1] + column * t.strides[2];
  if (t.dtype == ASSAY_F16) return to_float(static_cast<const Half*>(t.data)[at]);
  if (t.dtype == ASSAY_BF16) return to_float(static_cast<const Bfloat*>(t.data)[at]);
  return static_cast<const float*>(t.data)[at];
}

inline void put(const assay_tensor& t, int64_t batch, int64_t row, int64_t column, float value) {
  const int64_t at = batch * t.strides[0] + row * t.strides[1] + column * t.strides[2];
  if (t.dtype == ASSAY_F32) static_cast<float*>(t.data)[at] = value;
  if (t.dtype == ASSAY_F16) from_float(value, static_cast<Half*>(t.data) + at);
  if (t.dtype == ASSAY_BF16) from_float(value, static_cast<Bfloat*>(t.data) + at);
}

/// A number of an I32 operand of one row.
inline int32_t index_at(const assay_call& call, int64_t at) {
  return static_cast<const int32_t*>(find_tensor(call, ASSAY_INDEX)->data)[at];
}

}  // namespace assay
