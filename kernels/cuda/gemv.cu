// gemv/baseline: the plain loop on a GPU: a warp an output, its lanes along k; every layout, type, batch and epilogue. Types are looked at
// while it runs: one kernel for all.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
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

}  // namespace assay

ASSAY_RUN {
  using namespace assay;
  int64_t output = (int64_t(blockIdx.x) * THREADS + threadIdx.x) / 32;  // a number among all of D
  int segment = 0;
  const auto outputs_of = [&](int s) { return int64_t(call.matmul.segment[s].d.dims[0]) * call.matmul.segment[s].d.dims[1] * call.matmul.segment[s].d.dims[2]; };
  while (segment < int(call.segments) && output >= outputs_of(segment)) output -= outputs_of(segment++);
  if (segment == int(call.segments)) return;
  const assay_cuda_segment& s = call.matmul.segment[segment];
  const int n = s.d.dims[2], m = s.d.dims[1], column = int(output % n), row = int(output / n % m), batch = int(output / n / m);
  float sum = 0;
  for (int i = int(threadIdx.x % 32u); i < call.matmul.a.dims[2]; i += 32)
    sum = fmaf(value_at(call.matmul.a, batch, row, i), value_at(s.b, batch, column, i), sum);
  sum = lanes_sum<32>(sum);
  if (threadIdx.x % 32 != 0) return;
  if (s.d.dtype == ASSAY_CUDA_F16) write<Half>(call, s, batch, row, column, sum);
  if (s.d.dtype == ASSAY_CUDA_BF16) write<Bfloat>(call, s, batch, row, column, sum);
  if (s.d.dtype == ASSAY_CUDA_F32) write<float>(call, s, batch, row, column, sum);
}
