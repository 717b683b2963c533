// dot_m1: one row of A times n×k weights, dot products without staging: LANES lanes a row of B, ROWS rows a lane group, and all UNROLL
// 16-byte loads of a row in flight before any arithmetic. Rows that fit one such pass go straight through.
#define ASSAY_BOUNDS __launch_bounds__(THREADS, (UNROLL * ROWS > 2))
#include "device.h"

namespace assay {

constexpr int kGroups = THREADS / LANES, kWarps = (LANES + 31) / 32;

/// What a lane has in flight.
template <class T>
struct Pass {
  static constexpr int kEach = kPerLoad<T>, kStep = LANES * kEach;  // values a load, of a row by all lanes
  Words weights[UNROLL][ROWS], activations[UNROLL];

  /// From column `from` on; this lane's first is `own`.
  __device__ __forceinline__ void load_weights(const T* const* b, int from, int own, int k) {
#pragma unroll
    for (int u = 0; u < UNROLL; ++u)
#pragma unroll
      for (int r = 0; r < ROWS; ++r) weights[u][r] = load_words_if<HINT>(from + own + u * kStep < k, b[r] + from + u * kStep);
  }
  __device__ __forceinline__ void load_activations(const T* a, int from, int own, int k) {
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) activations[u] = load_words_if<kCached>(from + own + u * kStep < k, a + from + u * kStep);
  }
  /// In a chain the weights are there before A is, and the launch takes as long as the longest sum: many short ones, added up.
  __device__ __forceinline__ void multiply(float* sum) const {
#pragma unroll
    for (int u = 0; u < UNROLL; ++u)
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        if constexpr (kChained) sum[r] += dot_words<T>(activations[u], weights[u][r], 0);
        else sum[r] = dot_words<T>(activations[u], weights[u][r], sum[r]);
      }
  }
};

/// Values of a row in one pass.
template <class T>
constexpr int kPassed = UNROLL * Pass<T>::kStep;

/// Sums of all lanes of a group; lane r finishes row r.
template <class T>
__device__ __forceinline__ void reduce(const assay_cuda_call& call, const Rows& rows, int row, bool mine, float* sum, float add, uint32_t shared) {
  const int lane = int(threadIdx.x % unsigned(LANES));
#pragma unroll
  for (int r = 0; r < ROWS; ++r) sum[r] = lanes_sum<(LANES < 32 ? LANES : 32)>(sum[r]);
  float total = sum[0];
  if constexpr (LANES > 32) {
    if (lane % 32 == 0)
#pragma unroll
      for (int r = 0; r < ROWS; ++r) store_shared(shared + uint32_t(4 * (lane / 32 * ROWS + r)), sum[r]);
    __syncthreads();
    if (!mine) return;
    total = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) total += load_shared(shared + uint32_t(4 * (w * ROWS + lane)));
  } else {
#pragma unroll
    for (int r = 1; r < ROWS; ++r) total = lane == r ? sum[r] : total;
  }
  if (mine) finish<T>(call, rows, row, total, add);
}

template <class T, bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call);

/// kStraight: the usual case alone, in one piece. Instructions that are jumped over cost 0.05 µs a jump (H100): the next ones are not there
/// yet. So all else is a function apart, and whether it is needed is asked while the weights are on their way.
template <class T, bool kFused, bool kStraight>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  const int lane = int(threadIdx.x % unsigned(LANES)), in_block = int(threadIdx.x / unsigned(LANES)), k = call.brief.k;
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * kGroups + in_block, ROWS);
  const int row = rows.row + lane, own = lane * kPerLoad<T>;
  const bool mine = lane < ROWS && row < rows.n;
  const T *a = static_cast<const T*>(call.brief.a) + own, *b[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) b[r] = row_at<T>(rows.b, uint32_t(min(rows.row + r, rows.n - 1)), rows.stride, uint32_t(own));
  __shared__ float partial[kGroups][kWarps][ROWS];

  float sum[ROWS] = {};
  Pass<T> pass;
  pass.load_weights(b, 0, own, k);
  // In a chain a bias, which is a weight, and all constants are asked for before the wait.
  const auto is_unusual = [&] { return k > kPassed<T> || call.brief.adds_c; };
  const bool was_unusual = kChained && is_unusual();
  const float bias = kChained && kStraight ? addend<T, true>(call, rows, row, mine) : 0;
  wait_for_previous();
  pass.load_activations(a, 0, own, k);
  const uint32_t shared = LANES > 32 ? shared_address(call, partial[in_block]) : 0;
  if (kStraight && __builtin_expect(kChained ? was_unusual : is_unusual(), 0)) return dot_any<T, kFused>(call);
  const float add = kChained && kStraight ? bias : addend<T, kStraight>(call, rows, row, mine);
  pass.multiply(sum);
  if constexpr (!kStraight)
    for (int from = kPassed<T>; from < k; from += kPassed<T>) {
      pass.load_weights(b, from, own, k);
      pass.load_activations(a, from, own, k);
      pass.multiply(sum);
    }
  reduce<T>(call, rows, row, mine, sum, add, shared);
}

template <class T, bool kFused>
__device__ __noinline__ void dot_any(const assay_cuda_call& call) {
  dot<T, kFused, false>(call);
}

}  // namespace assay

#ifdef PREPARED
ASSAY_ENTRY(nn, f16, f16, f16) { assay::dot<assay::Half, false, true>(call); }
ASSAY_ENTRY(nn, bf16, bf16, bf16) { assay::dot<assay::Bfloat, false, true>(call); }
#else
ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, false, true>(call); }
ASSAY_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat, false, true>(call); }
ASSAY_ENTRY(nt, f32, f32, f32) { assay::dot<float, false, true>(call); }
ASSAY_FUSED_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half, true, true>(call); }
ASSAY_FUSED_ENTRY(nt, bf16, bf16, bf16) { assay::dot<assay::Bfloat, true, true>(call); }
ASSAY_FUSED_ENTRY(nt, f32, f32, f32) { assay::dot<float, true, true>(call); }
#endif
