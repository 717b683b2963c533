// Operands value by value, whatever their type: for plain loops.
#pragma once
#include "blocks.h"
#include "rows.h"

namespace assay {

inline float element(const assay_tensor& t, int64_t batch, int64_t row, int64_t column) {
  if (t.layout == ASSAY_BLOCKS) {
    const BlockShape shape = block_shape(t.dtype);
    float sixteen[16];
    decoder_of(t.dtype)(block_row(t, batch, row) + column / shape.values * shape.bytes, column % shape.values / 16 * 16,
                        sixteen);
    return sixteen[column % 16];
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

}  // namespace assay
