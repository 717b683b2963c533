// argmax: the plain loop: a block a row, every type.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &d = *find_tensor(call, ASSAY_CUDA_D);
  __shared__ float values[THREADS];
  __shared__ int places[THREADS];
  const int thread = int(threadIdx.x), columns = a.dims[2];
  const int64_t row = blockIdx.x;
  int best = thread < columns ? thread : 0;
  float largest = value_at(a, 0, row, best);
  for (int i = thread + THREADS; i < columns; i += THREADS)
    if (const float value = value_at(a, 0, row, i); value > largest) largest = value, best = i;
  values[thread] = largest, places[thread] = best;
  __syncthreads();
  if (thread != 0) return;
  for (int i = 1; i < THREADS; ++i)
    if (values[i] > largest || (values[i] == largest && places[i] < best)) largest = values[i], best = places[i];
  static_cast<int32_t*>(d.data)[row * d.strides[1]] = best;
}
