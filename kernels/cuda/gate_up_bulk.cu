// gate_up_bulk: a row of A, F16 or F32, times gate and up of F16 at once: bulk copies bring a block's rows of both to shared memory,
// tensor cores take them from there (shared_dots.h), a tile half gate and half up. Swiglu of the sums is all that is written.
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#include "shared_dots.h"

namespace assay {

template <class A>
__device__ __forceinline__ void gate_up(const assay_cuda_call& call) {
  using Dots = SharedDots<A>;
  constexpr int kHalf = ROWS / 2, kOfGroup = kHalf * TILES, kRows = kOfGroup * GROUPS;  // of outputs
  // With one warp a group its lanes finish the outputs they hold, else lanes of the group's first warp one each.
  constexpr int kFinished = SPLIT == 1 ? TILES : 1;
  static_assert(SPLIT == 1 || kOfGroup <= 32, "a lane finishes an output");
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stage_memory[];
  __shared__ uint64_t arrived;
  __shared__ float partial[2][2][GROUPS][SPLIT][kOfGroup];
  const assay_cuda_operands& o = call.operands;
  const int k = o.columns, n = call.tensors[3].dims[2], first = int(blockIdx.x) * kRows;
  const uint32_t row_bytes = 2 * uint32_t(k);
  const uint32_t stage = uint32_t(__cvta_generic_to_shared(stage_memory)), barrier = uint32_t(__cvta_generic_to_shared(&arrived));
  if (threadIdx.x < 32) {
    const uint32_t bytes = uint32_t(min(kRows, n - first)) * row_bytes;
    const uint64_t from = uint64_t(uint32_t(first)) * row_bytes;
    if (threadIdx.x == 0) {
      make_barrier(barrier);
      show_barriers();
      expect_bytes(barrier, 2 * bytes);
    }
    __syncwarp();
    copy_in_pieces(stage, static_cast<const char*>(o.data[1]) + from, bytes, barrier);
    copy_in_pieces(stage + kRows * row_bytes, static_cast<const char*>(o.data[2]) + from, bytes, barrier);
  }
  const int warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT), in_block = int(unsigned(warp) / SPLIT), lane = Dots::lane();
  const uint32_t low = stage + uint32_t(in_block * kOfGroup + Dots::lane_row()) * row_bytes, high = low + kRows * row_bytes;
  const bool finishes = SPLIT == 1 ? Dots::holds() : part == 0 && lane < kOfGroup;
  const int first_row = first + in_block * kOfGroup + (SPLIT == 1 ? Dots::lane_row() : lane);
  const A* const a = static_cast<const A*>(o.data[0]) + int64_t(blockIdx.y) * k;
  A* const d = static_cast<A*>(o.data[3]) + int64_t(blockIdx.y) * n;
  __syncthreads();
#pragma unroll 1
  for (int pass = kChained && WARM ? min(k, 0) : 1; pass < 2; ++pass) {
    const bool is_real = pass != 0;
    if (is_real) wait_for_previous();
    float gates[TILES] = {}, ups[TILES] = {};
    for (int base = 0; base < k; base += kPassed) {
      const int from = base + part * kOwn;
      Dots dots;
      dots.load_a(a, from, k, is_real);
      if (base == 0 && is_real) wait_for(barrier, 0);
#pragma unroll
      for (int i = 0; i < TILES; ++i)
        dots.multiply(low + i * kHalf * row_bytes, high + i * kHalf * row_bytes, from, k, is_real, gates[i], ups[i]);
    }
    Dots::reduce(gates, ups);
    if constexpr (SPLIT > 1) {
      float(&sums)[2][GROUPS][SPLIT][kOfGroup] = partial[pass];
#pragma unroll
      for (int i = 0; i < TILES; ++i)
        if (Dots::holds()) {
          sums[0][in_block][part][i * kHalf + Dots::lane_row()] = gates[i];
          sums[1][in_block][part][i * kHalf + Dots::lane_row()] = ups[i];
        }
      __syncthreads();
      gates[0] = ups[0] = 0;
#pragma unroll
      for (int p = 0; p < SPLIT; ++p) gates[0] += sums[0][in_block][p][lane % kOfGroup], ups[0] += sums[1][in_block][p][lane % kOfGroup];
    }
#pragma unroll
    for (int i = 0; i < kFinished; ++i) {
      const int row = first_row + i * kHalf;
      if (finishes && row < n && is_real) d[row] = from_float<A>(gates[i] / (1 + expf(-gates[i])) * ups[i]);
    }
  }
}

}  // namespace assay

#if ROWS >= 4
extern "C" __global__ void ASSAY_BOUNDS run_f32_f16_f32(const __grid_constant__ assay_cuda_call call) { assay::gate_up<float>(call); }
#endif
extern "C" __global__ void ASSAY_BOUNDS run_f16_f16_f16(const __grid_constant__ assay_cuda_call call) { assay::gate_up<assay::Half>(call); }
extern "C" __global__ void ASSAY_BOUNDS run_bf16_bf16_bf16(const __grid_constant__ assay_cuda_call call) { assay::gate_up<assay::Bfloat>(call); }
