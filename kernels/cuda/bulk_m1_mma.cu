// bulk_m1_mma: one row of A times n×k weights: bulk copies bring a block's rows of B to shared memory, tensor
// cores take them from there (shared_dots.h). No register waits for memory, so that the blocks of a chain's next launch
// find room: RESIDENT of them on a multiprocessor.
#if RESIDENT
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS, RESIDENT)
#else
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#endif
#include "shared_dots.h"

namespace assay {

template <class T, bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  using Dots = SharedDots<T>;
  constexpr int kOfGroup = ROWS * TILES, kRows = kOfGroup * GROUPS, kHalf = ROWS / 2;
  // With one warp a group its lanes finish the rows they hold, else lanes of the group's first warp a row each.
  constexpr int kFinished = SPLIT == 1 ? 2 * TILES : 1;
  static_assert(SPLIT == 1 || kOfGroup <= 32, "a lane finishes a row");
  let_next_begin();
  extern __shared__ __align__(128) unsigned char stage_memory[];
  __shared__ uint64_t arrived;
  __shared__ float partial[2][GROUPS][SPLIT][kOfGroup];
  const int k = call.brief.k;
  const uint32_t row_bytes = 2 * uint32_t(k);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x), kRows);
  const uint32_t stage = shared_address(call, stage_memory), barrier = shared_address(call, &arrived);
  if (threadIdx.x < 32) {
    const uint32_t bytes = uint32_t(min(kRows, rows.n - rows.row)) * row_bytes;
    if (threadIdx.x == 0) {
      make_barrier(barrier);
      show_barriers();
      expect_bytes(barrier, bytes);
    }
    __syncwarp();
    copy_in_pieces<PIECE>(stage, static_cast<const char*>(rows.b) + uint64_t(uint32_t(rows.row)) * row_bytes, bytes,
                          barrier);
  }
  const int warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT), in_block = int(unsigned(warp) / SPLIT),
            lane = Dots::lane();
  const uint32_t low = stage + uint32_t(in_block * kOfGroup + Dots::lane_row()) * row_bytes,
                 high = low + kHalf * row_bytes;
  const bool finishes = SPLIT == 1 ? Dots::holds() : part == 0 && lane < kOfGroup, adds_c = call.brief.adds_c;
  const int first_row = rows.row + in_block * kOfGroup + (SPLIT == 1 ? Dots::lane_row() : lane);
  const auto row = [&](int i) { return first_row + i * kHalf; };
  const auto mine = [&](int i) { return finishes && row(i) < rows.n; };
  float bias[kFinished];
#pragma unroll
  for (int i = 0; i < kFinished; ++i) bias[i] = addend<T, true>(call, rows, row(i), mine(i));
  const T* const a = static_cast<const T*>(call.brief.a);
  const T* const c = static_cast<const T*>(call.matmul.segment[rows.segment].c.data);
  const float alpha = call.brief.alpha, beta = call.brief.beta;
  T* const d = static_cast<T*>(rows.d);
  __syncthreads();
#pragma unroll 1
  for (int pass = kChained && WARM ? int(call.brief.zero) : 1; pass < 2; ++pass) {
    const bool is_real = pass != 0;
    if (is_real) wait_for_previous();
    float low_sums[TILES] = {}, high_sums[TILES] = {}, of_c[kFinished];
#pragma unroll
    for (int i = 0; i < kFinished; ++i) of_c[i] = load_if(mine(i) && adds_c && is_real, c + row(i));
    for (int base = 0; base < k; base += kPassed) {
      const int from = base + part * kOwn;
      Dots dots;
      dots.load_a(a, from, k, is_real);
      if (base == 0 && is_real) wait_for(barrier, 0);
#pragma unroll
      for (int i = 0; i < TILES; ++i)
        dots.multiply(low + i * ROWS * row_bytes, high + i * ROWS * row_bytes, from, k, is_real, low_sums[i],
                      high_sums[i]);
    }
    Dots::reduce(low_sums, high_sums);
    const auto finish_row = [&](int i, float sum) {
      if (mine(i) && is_real)
        d[row(i)] = from_float<T>(fmaf(alpha, sum, adds_c ? fmaf(beta, of_c[i], bias[i]) : bias[i]));
    };
    if constexpr (SPLIT == 1) {
#pragma unroll
      for (int i = 0; i < TILES; ++i) finish_row(2 * i, low_sums[i]), finish_row(2 * i + 1, high_sums[i]);
    } else {
      float(&sums)[SPLIT][kOfGroup] = partial[pass][in_block];
#pragma unroll
      for (int i = 0; i < TILES; ++i)
        if (Dots::holds())
          sums[part][i * ROWS + Dots::lane_row()] = low_sums[i],
                                sums[part][i * ROWS + kHalf + Dots::lane_row()] = high_sums[i];
      __syncthreads();
      float sum = 0;
#pragma unroll
      for (int p = 0; p < SPLIT; ++p) sum += sums[p][lane % kOfGroup];
      finish_row(0, sum);
    }
  }
}

}  // namespace assay

#ifdef PREPARED
ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half, false>(call); }
#else
ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, false>(call); }
ASSAY_FUSED_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, true>(call); }
#endif
