// m1_optimized_v3: as v2's columns, but A reaches the lanes by SIMD-group broadcast: each lane keeps VEC values of the staged tile, and
// lane after lane hands its own to all while every lane streams its row of B, VEC values a load, UNROLL loads on their way.
#define ASSAY_BOUNDS __launch_bounds__(TG)
#include "device.h"

namespace assay {

constexpr int kShare = TG > BN ? TG / BN : 1, kOwned = BN > TG ? BN / TG : 1;  // warps that share k, columns a thread
constexpr int kLanes = BK / VEC < 32 ? BK / VEC : 32, kPasses = BK / VEC / kLanes, kWords = VEC / 2;
static_assert(BK % (VEC * kLanes) == 0 && kLanes % UNROLL == 0 && BN % 32 == 0, "whole rounds of lanes");

/// VEC values at `p`, of which `left` are inside.
template <class T>
__device__ __forceinline__ void load_values(const T* p, bool aligned, int left, uint32_t* w) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) w[i] = 0;
  if (left <= 0) return;
  if (aligned && left >= VEC) {
    if constexpr (VEC == 8) {
      const Words v = load_words<kCached>(p);
#pragma unroll
      for (int i = 0; i < 4; ++i) w[i % kWords] = v.w[i];
    } else {
      asm volatile("ld.global" ASSAY_CONSTANT ".v2.u32 {%0,%1}, [%2];" : "=r"(w[0]), "=r"(w[1]) : "l"(p));
    }
  } else {
#pragma unroll
    for (int i = 0; i < VEC; ++i)
      if (i < left) w[i / 2] |= uint32_t(p[i].bits) << (i % 2 * 16);
  }
}

/// In mode chained: brings this thread's rows to the second-level cache while the launch before is still at work.
template <class T>
__device__ __forceinline__ void ask_for_rows(const T* const* b, int share, int k) {
#ifdef ASSAY_CHAINED
  constexpr int kLine = 128 / int(sizeof(T));
  for (int round = 0; round < k; round += BK * kShare)
    for (int i = round + share * BK; i < min(round + (share + 1) * BK, k); i += kLine)
#pragma unroll
      for (int o = 0; o < kOwned; ++o) asm volatile("prefetch.global.L2 [%0];" ::"l"(b[o] + i));
#endif
}

template <class T>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  let_next_begin();
  __shared__ __align__(16) T a_tile[kShare][BK];
  __shared__ float partial[kShare][BN];
  // Whole warps share a column's k, so that a broadcast is for one place in k.
  const int lane = int(threadIdx.x % 32u), share = int(threadIdx.x) / (TG / kShare), thread = int(threadIdx.x) % (TG / kShare);
  const int k = call.brief.k, n = call.brief.n, first = int(blockIdx.x) * BN;
  const Rows rows = rows_of<false>(call, int(blockIdx.x), BN);
  const T* a = static_cast<const T*>(call.brief.a);
  const bool aligned = k % VEC == 0;
  const T* b[kOwned];
#pragma unroll
  for (int o = 0; o < kOwned; ++o) b[o] = row_at<T>(rows.b, uint32_t(min(first + o * TG + thread, n - 1)), rows.stride, 0);
  float sum[kOwned] = {};
  ask_for_rows(b, share, k);
  wait_for_previous();
  for (int round = 0; round < k; round += BK * kShare) {
    const int from = round + share * BK;
    __syncthreads();
    for (int i = thread; i < BK; i += TG / kShare) a_tile[share][i] = from + i < k ? a[from + i] : T{};
    __syncthreads();
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int place = (pass * kLanes + lane % kLanes) * VEC;
      uint32_t kept[kWords];
#pragma unroll
      for (int i = 0; i < kWords; ++i) kept[i] = *reinterpret_cast<const uint32_t*>(&a_tile[share][place + 2 * i]);
      for (int source = 0; source < kLanes; source += UNROLL) {
        uint32_t y[UNROLL][kOwned][kWords];
        const int at = from + (pass * kLanes + source) * VEC;
#pragma unroll
        for (int u = 0; u < UNROLL; ++u)
#pragma unroll
          for (int o = 0; o < kOwned; ++o) load_values(b[o] + at + u * VEC, aligned, k - at - u * VEC, y[u][o]);
#pragma unroll
        for (int u = 0; u < UNROLL; ++u)
#pragma unroll
          for (int i = 0; i < kWords; ++i) {
            float x[2];
            unpack(__shfl_sync(0xffffffffu, kept[i], source + u), T{}, x);
#pragma unroll
            for (int o = 0; o < kOwned; ++o) {
              float v[2];
              unpack(y[u][o][i], T{}, v);
              sum[o] = fmaf(x[0], v[0], fmaf(x[1], v[1], sum[o]));
            }
          }
      }
    }
  }
#pragma unroll
  for (int o = 0; o < kOwned; ++o) {
    const int column = o * TG + thread, row = first + column;
    float total = sum[o];
    if constexpr (kShare > 1) {
      partial[share][column] = total;
      __syncthreads();
      if (share != 0) continue;
      total = 0;
#pragma unroll
      for (int p = 0; p < kShare; ++p) total += partial[p][column];
    }
    if (row < n) finish<T>(call, rows, row, total, addend<T>(call, rows, row, true));
  }
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, f16, f16) { assay::dot<assay::Half>(call); }
