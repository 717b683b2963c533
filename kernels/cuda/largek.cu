// largek: long rows: a cluster of CLUSTER blocks shares k, WARPS warps in each share the block's part; row dots in registers on tensor
// cores, sums meet in the first block through distributed shared memory.
#define ASSAY_BOUNDS __launch_bounds__(32 * WARPS)
#include "row_dots.h"

namespace assay {

template <class T, bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  using Dots = RowDots<T, ROWS, STEPS, HINT>;
  __shared__ float partial[CLUSTER][WARPS][ROWS];
  let_next_begin();
  cluster_arrive();
  const int warp = int(threadIdx.x / 32u), rank = int(cluster_rank()), part = rank * WARPS + warp;
  const int k = call.brief.k, steps = (k + Dots::kStep - 1) / Dots::kStep;
  const int first_k = int(int64_t(steps) * part / (CLUSTER * WARPS)) * Dots::kStep;
  const int last_k = min(k, int(int64_t(steps) * (part + 1) / (CLUSTER * WARPS)) * Dots::kStep);
  const T* a = static_cast<const T*>(call.brief.a);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) / CLUSTER, ROWS);
  const int row = rows.row + int(threadIdx.x);
  const bool mine = rank == 0 && threadIdx.x < ROWS && row < rows.n;

  Dots dots;
  dots.clear();
  typename Dots::Pointers at = Dots::pointers(rows, first_k);
  dots.load_b(at, first_k, last_k);
  wait_for_previous();
  dots.load_a(a, first_k, last_k);
  const float add = addend<T>(call, rows, row, mine);
  for (int from = first_k;;) {
    dots.multiply();
    from += STEPS * Dots::kStep;
    if (from >= last_k) break;
    at.low += STEPS * Dots::kStep, at.high += STEPS * Dots::kStep;
    dots.load_b(at, from, last_k);
    dots.load_a(a, from, last_k);
  }
  float low, high;
  dots.reduce(low, high);
  cluster_wait();  // every block of the cluster runs by now: its shared memory may be written
  if (Dots::holds()) {
    store_in_block(&partial[rank][warp][Dots::lane_row()], 0, low);
    store_in_block(&partial[rank][warp][Dots::lane_row() + ROWS / 2], 0, high);
  }
  cluster_arrive();
  if (rank != 0) return;
  cluster_wait();
  if (!mine) return;
  float sum = 0;
#pragma unroll
  for (int r = 0; r < CLUSTER; ++r)
#pragma unroll
    for (int w = 0; w < WARPS; ++w) sum += partial[r][w][threadIdx.x];
  finish<T>(call, rows, row, sum, add);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, false>(call); }
ASSAY_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat, false>(call); }
ASSAY_FUSED_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, true>(call); }
ASSAY_FUSED_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat, true>(call); }
