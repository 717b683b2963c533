// embedding: the plain loop: a thread a value, every type.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &table = *find_tensor(call, ASSAY_CUDA_B), &d = *find_tensor(call, ASSAY_CUDA_D);
  const int64_t i = int64_t(blockIdx.x) * THREADS + threadIdx.x, row = i / d.dims[2], column = i % d.dims[2];
  if (row < d.dims[1]) put(d, 0, row, column, value_at(table, 0, index_at(call, row), column));
}
