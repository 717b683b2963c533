// dot_mixed: one row of F32 activations times n×k weights of F16, dot products without staging (mixed_dots.h): LANES lanes a row of B, ROWS
// rows a lane group. C and bias are read straight away where there are any; LOOPS: rows may be longer than a pass. EARLY: in
// a chain all weights are asked for before the wait; where they fill the registers that keeps the next launch out.
#define ASSAY_BOUNDS __launch_bounds__(THREADS, (UNROLL * ROWS > 2))
#include "mixed_dots.h"

namespace assay {

template <bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  constexpr int kGroups = THREADS / LANES;
  const int lane = int(threadIdx.x % unsigned(LANES)), in_block = int(threadIdx.x / unsigned(LANES)), k = call.brief.k;
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * kGroups + in_block, ROWS);
  const int row = rows.row + lane, own = lane * kEach;
  const bool mine = lane < ROWS && row < rows.n;
  const Half* b[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) b[r] = row_at<Half>(rows.b, uint32_t(min(rows.row + r, rows.n - 1)), rows.stride, uint32_t(own));
  __shared__ float partial[kGroups][kWarps * ROWS];
  MixedDots<ROWS> dots;
  dots.load(b, 0, own, k);
  const float bias = addend<float, true>(call, rows, row, mine);
  const float* const c = static_cast<const float*>(call.matmul.segment[rows.segment].c.data) + row;
  const bool adds_c = call.brief.adds_c;
  if constexpr (kChained && EARLY) await(dots.weights[UNROLL - 1]);
  wait_for_previous();
  const float* const a = static_cast<const float*>(call.brief.a) + own;
  const float of_c = load_if(mine && adds_c, c);
  float sum[ROWS] = {};
  dots.multiply(a, 0, own, k, sum);
#if LOOPS
  for (int from = kPassed; from < k; from += kPassed) {
    dots.load(b, from, own, k);
    dots.multiply(a, from, own, k, sum);
  }
#endif
  const float total = sum_of_lane<ROWS>(sum, lane, partial[in_block]);
  if (mine) finish<float>(call, rows, row, total, adds_c ? fmaf(call.brief.beta, of_c, bias) : bias);
}

}  // namespace assay

ASSAY_ENTRY(nt, f32, f16, f32) { assay::dot<false>(call); }
ASSAY_FUSED_ENTRY(nt, f32, f16, f32) { assay::dot<true>(call); }
