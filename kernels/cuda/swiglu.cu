// swiglu: the plain loop: a thread a value, every type.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &gate = *find_tensor(call, ASSAY_CUDA_A, 0), &up = *find_tensor(call, ASSAY_CUDA_A, 1),
                          &d = *find_tensor(call, ASSAY_CUDA_D);
  const int64_t i = int64_t(blockIdx.x) * THREADS + threadIdx.x, row = i / d.dims[2], column = i % d.dims[2];
  if (row >= d.dims[1]) return;
  const float g = value_at(gate, 0, row, column);
  put(d, 0, row, column, g / (1 + expf(-g)) * value_at(up, 0, row, column));
}
