// gate_up_mixed: a row of F32 activations times gate and up of F16 at once (mixed_dots.h): LANES lanes have ROWS rows of each, asked for
// before A is there, and write swiglu of their sums. LOOPS: rows may be longer than a pass.
#define ASSAY_BOUNDS __launch_bounds__(THREADS, 1)
#include "mixed_dots.h"

extern "C" __global__ void ASSAY_BOUNDS run_f32_f16_f32(const __grid_constant__ assay_cuda_call call) {
  using namespace assay;
  let_next_begin();
  constexpr int kGroups = THREADS / LANES, kRows = 2 * ROWS;
  const assay_cuda_operands& o = call.operands;
  const int lane = int(threadIdx.x % unsigned(LANES)), in_block = int(threadIdx.x / unsigned(LANES)), k = o.columns;
  const int n = call.tensors[3].dims[2], first = (int(blockIdx.x) * kGroups + in_block) * ROWS, own = lane * kEach;
  const Half* b[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r)
    b[r] = row_at<Half>(r < ROWS ? o.data[1] : o.data[2], uint32_t(min(first + r % ROWS, n - 1)), uint32_t(k), uint32_t(own));
  __shared__ float partial[kGroups][kWarps * kRows];
  MixedDots<kRows> dots;
  dots.load(b, 0, own, k);
  wait_for_previous();
  const float* const a = static_cast<const float*>(o.data[0]) + int64_t(blockIdx.y) * k + own;
  float sum[kRows] = {};
  dots.multiply(a, 0, own, k, sum);
#if LOOPS
  for (int from = kPassed; from < k; from += kPassed) {
    dots.load(b, from, own, k);
    dots.multiply(a, from, own, k, sum);
  }
#endif
  const float total = sum_of_lane<kRows>(sum, lane, partial[in_block]);
  const float up = __shfl_down_sync(0xffffffffu, total, ROWS);  // lane r has gate r, lane ROWS + r up r
  const int row = first + lane;
  if (lane < ROWS && row < n)
    static_cast<float*>(o.data[3])[int64_t(blockIdx.y) * n + row] = total / (1 + expf(-total)) * up;
}
