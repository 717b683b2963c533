// matmul_swiglu: the plain loop: a warp an output, its lanes along k of gate and up; every type.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &gates = *find_tensor(call, ASSAY_CUDA_B, 0),
                          &ups = *find_tensor(call, ASSAY_CUDA_B, 1), &d = *find_tensor(call, ASSAY_CUDA_D);
  const int64_t output = (int64_t(blockIdx.x) * THREADS + threadIdx.x) / 32, row = output / d.dims[2], column = output % d.dims[2];
  if (row >= d.dims[1]) return;
  float gate = 0, up = 0;
  for (int i = int(threadIdx.x % 32u); i < a.dims[2]; i += 32) {
    const float x = value_at(a, 0, row, i);
    gate = fmaf(x, value_at(gates, 0, column, i), gate);
    up = fmaf(x, value_at(ups, 0, column, i), up);
  }
  gate = lanes_sum<32>(gate), up = lanes_sum<32>(up);
  if (threadIdx.x % 32 == 0) put(d, 0, row, column, gate / (1 + expf(-gate)) * up);
}
