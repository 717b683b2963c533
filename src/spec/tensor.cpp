// Operands without a gap.
#include "spec/tensor.h"

namespace assay {

Tensor dense_tensor(Operand operand, Dtype dtype, int64_t batch, int64_t rows, int64_t columns, bool by_columns) {
  Tensor t;
  t.operand = operand;
  t.dtype = dtype;
  t.by_columns = by_columns;
  t.dims[0] = batch, t.dims[1] = rows, t.dims[2] = columns;
  t.strides[0] = rows * columns;
  t.strides[1] = by_columns ? 1 : columns;
  t.strides[2] = by_columns ? rows : 1;
  if (is_quantized(dtype)) {
    t.storage = Storage::blocks;
    t.strides[1] = columns / dtype_facts(dtype).block_values;
    t.strides[0] = rows * t.strides[1];
  }
  t.bytes = dtype_bytes(dtype, batch * rows * columns);
  return t;
}

}  // namespace assay
