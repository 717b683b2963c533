// copy: the plain loop: a thread a value, every type and order.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &d = *find_tensor(call, ASSAY_CUDA_D);
  const int64_t at = int64_t(blockIdx.x) * THREADS + threadIdx.x, m = d.dims[1], n = d.dims[2], batch = at / n / m;
  if (batch >= d.dims[0]) return;
  put(d, batch, at / n % m, at % n, value_at(a, batch / (d.dims[0] / a.dims[0]), at / n % m, at % n));
}
