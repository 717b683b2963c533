// dot_m1_mma: one row of A times n×k weights on tensor cores without staging: each lane's 16-byte loads all in flight, tile rows are
// slices of k. A block has GROUPS groups of ROWS rows; SPLIT warps share the k of each.
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#include "row_dots.h"

namespace assay {

template <class T, bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  using Dots = RowDots<T, ROWS, STEPS, HINT>;
  const int warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT), in_block = int(unsigned(warp) / SPLIT), k = call.brief.k;
  const int each = int((uint32_t(k) + Dots::kStep * SPLIT - 1) / (Dots::kStep * SPLIT) * Dots::kStep);
  const int first_k = part * each, last_k = min(k, first_k + each);
  const T* a = static_cast<const T*>(call.brief.a);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * GROUPS + in_block, ROWS);

  Dots dots;
  typename Dots::Pointers at = Dots::pointers(rows, first_k);
  dots.load_b(at, first_k, last_k);
  dots.load_a(a, first_k, last_k);
  // With one warp a group its own lanes finish, else lanes of the group's first warp.
  const int row = rows.row + (SPLIT == 1 ? Dots::lane_row() : Dots::lane()), other = row + ROWS / 2;
  const bool mine = row < rows.n && (SPLIT == 1 ? Dots::holds() : part == 0 && Dots::lane() < ROWS);
  const bool others = SPLIT == 1 && mine && other < rows.n;
  const float add = mine ? addend<T>(call, rows, row) : 0, other_add = others ? addend<T>(call, rows, other) : 0;
  dots.clear();
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
  if constexpr (SPLIT == 1) {
    if (mine) finish<T>(call, rows, row, low, add);
    if (others) finish<T>(call, rows, other, high, other_add);
  } else {
    __shared__ float partial[GROUPS][SPLIT][ROWS];
    auto& sums = partial[in_block];
    if (Dots::holds()) sums[part][Dots::lane_row()] = low, sums[part][Dots::lane_row() + ROWS / 2] = high;
    __syncthreads();
    if (!mine) return;
    float sum = 0;
#pragma unroll
    for (int p = 0; p < SPLIT; ++p) sum += sums[p][Dots::lane()];
    finish<T>(call, rows, row, sum, add);
  }
}

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  if (call.brief.segments == 1)
    dot<T, false>(call);
  else
    dot<T, true>(call);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half>(call); }
ASSAY_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat>(call); }
