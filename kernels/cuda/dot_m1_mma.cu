// dot_m1_mma: one row of A times n×k weights on tensor cores without staging: each lane's 16-byte loads all in flight, tile rows are
// slices of k. A block has GROUPS groups of ROWS rows; SPLIT warps share the k of each.
#define ASSAY_BOUNDS __launch_bounds__(32 * SPLIT * GROUPS)
#include "row_dots.h"

namespace assay {

template <class T>
using Dots = RowDots<T, ROWS, STEPS, HINT>;
/// Values of a row that a warp, and all warps of a group, take in one pass.
template <class T>
constexpr int kOwn = STEPS * Dots<T>::kStep;
template <class T>
constexpr int kPassed = SPLIT * kOwn<T>;

template <class T, bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call);

/// kStraight: the usual case alone, in one piece: see dot_m1.cu.
template <class T, bool kFused, bool kStraight>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  using D = Dots<T>;
  let_next_begin();
  const int warp = int(threadIdx.x / 32u), part = int(unsigned(warp) % SPLIT), in_block = int(unsigned(warp) / SPLIT), k = call.brief.k;
  const T* a = static_cast<const T*>(call.brief.a);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * GROUPS + in_block, ROWS);
  // With one warp a group its own lanes finish, else lanes of the group's first warp.
  const int row = rows.row + (SPLIT == 1 ? D::lane_row() : D::lane()), other = row + ROWS / 2;
  const bool mine = row < rows.n && (SPLIT == 1 ? D::holds() : part == 0 && D::lane() < ROWS);
  const bool others = SPLIT == 1 && mine && other < rows.n;
  __shared__ float partial[GROUPS][SPLIT][ROWS];

  D dots;
  typename D::Pointers at = D::pointers(rows, part * kOwn<T>);
  dots.load_b(at, part * kOwn<T>, k);
  const auto is_unusual = [&] { return k > kPassed<T> || call.brief.adds_c; };
  const bool was_unusual = kChained && is_unusual();
  const float bias = kChained && kStraight ? addend<T, true>(call, rows, row, mine) : 0;
  const float other_bias = kChained && kStraight && SPLIT == 1 ? addend<T, true>(call, rows, other, others) : 0;
  wait_for_previous();
  dots.load_a(a, part * kOwn<T>, k);
  const uint32_t shared = SPLIT > 1 ? shared_address(call, partial[in_block]) : 0;
  if (kStraight && __builtin_expect(kChained ? was_unusual : is_unusual(), 0)) return dot_any<T, kFused>(call);
  const float add = kChained && kStraight ? bias : addend<T, kStraight>(call, rows, row, mine);
  const float other_add = SPLIT > 1 ? 0 : kChained && kStraight ? other_bias : addend<T, kStraight>(call, rows, other, others);
  dots.clear();
  dots.multiply();
  if constexpr (!kStraight)
    for (int from = kPassed<T>; from < k; from += kPassed<T>) {
      at.low += kPassed<T>, at.high += kPassed<T>;
      dots.load_b(at, from + part * kOwn<T>, k);
      dots.load_a(a, from + part * kOwn<T>, k);
      dots.multiply();
    }
  float low, high;
  dots.reduce(low, high);
  if constexpr (SPLIT == 1) {
    if (mine) finish<T>(call, rows, row, low, add);
    if (others) finish<T>(call, rows, other, high, other_add);
  } else {
    if (D::holds()) {
      const uint32_t to = shared + uint32_t(4 * (part * ROWS + D::lane_row()));
      store_shared(to, low), store_shared(to + 2 * ROWS, high);
    }
    __syncthreads();
    if (!mine) return;
    float sum = 0;
#pragma unroll
    for (int p = 0; p < SPLIT; ++p) sum += load_shared(shared + uint32_t(4 * (p * ROWS + D::lane())));
    finish<T>(call, rows, row, sum, add);
  }
}

template <class T, bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call) {
  dot<T, kFused, false>(call);
}

}  // namespace assay

#ifdef PREPARED
ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half, false, true>(call); }
#else
ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, false, true>(call); }
ASSAY_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat, false, true>(call); }
ASSAY_FUSED_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, true, true>(call); }
ASSAY_FUSED_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat, true, true>(call); }
#endif
