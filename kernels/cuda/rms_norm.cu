// rms_norm: the plain loop: a warp a row, every type.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "elements.h"

ASSAY_RUN {
  using namespace assay;
  const assay_cuda_tensor &a = *find_tensor(call, ASSAY_CUDA_A), &w = *find_tensor(call, ASSAY_CUDA_B),
                          &d = *find_tensor(call, ASSAY_CUDA_D);
  const assay_cuda_tensor *residual = find_tensor(call, ASSAY_CUDA_C), *sum = find_tensor(call, ASSAY_CUDA_D, 1);
  const int64_t row = (int64_t(blockIdx.x) * THREADS + threadIdx.x) / 32;
  const int lane = int(threadIdx.x % 32u), columns = a.dims[2];
  if (row >= a.dims[1]) return;
  const auto x = [&](int i) {
    return residual ? value_at(a, 0, row, i) + value_at(*residual, 0, row, i) : value_at(a, 0, row, i);
  };
  float squares = 0;
  for (int i = lane; i < columns; i += 32) squares = fmaf(x(i), x(i), squares);
  const float scale = 1 / sqrtf(lanes_sum<32>(squares) / float(columns) + param(call, ASSAY_CUDA_EPS));
  for (int i = lane; i < columns; i += 32) {
    const float value = x(i);
    put(d, 0, row, i, value * scale * value_at(w, 0, 0, i));
    if (residual) put(*sum, 0, row, i, value);
  }
}
