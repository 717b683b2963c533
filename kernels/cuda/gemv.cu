// gemv/baseline: the plain loop on a GPU: a warp an output, its lanes along k; every layout, type, batch and epilogue. Types are looked at
// while it runs: one kernel for all.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

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
