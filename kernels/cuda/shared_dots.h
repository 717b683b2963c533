// Rows of weights in shared memory times one row of A on tensor cores: what bulk_m1_mma multiplies with. A block has
// GROUPS groups of TILES times ROWS rows; SPLIT warps share the k of each. In a chain a block runs through its code
// once before the wait (WARM), with nothing in its hands: the instructions behind the wait are then there.
#pragma once
#include "bulk.h"

namespace assay {

constexpr int kSlices = 16 / ROWS,
              kStep = 32 * kSlices;  // of k in a tile of the tensor cores; values of k that a warp takes in a step
constexpr int kOwn = STEPS * kStep, kPassed = SPLIT * kOwn;  // … and in a pass: a warp, all warps of a group
constexpr int kChains = 2 * STEPS < 4 ? 2 * STEPS : 4;       // of products that wait for each other

__device__ __forceinline__ Words words_of_stage_if(bool wanted, uint32_t at) {
  Words v;
  asm volatile(
      "{.reg .pred p; setp.ne.u32 p, %5, 0; mov.u32 %0, 0; mov.u32 %1, 0; mov.u32 %2, 0; mov.u32 %3, 0;\n"
      "@p ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];}"
      : "=&r"(v.w[0]), "=&r"(v.w[1]), "=&r"(v.w[2]), "=&r"(v.w[3])
      : "r"(at), "r"(uint32_t(wanted))
      : "memory");
  return v;
}

/// 16 bytes of what the launch before may have written, where `wanted`; else zeros. No branch.
__device__ __forceinline__ Words activations_if(bool wanted, const void* from) {
  Words v;
  asm volatile(
      "{.reg .pred p; setp.ne.u32 p, %5, 0; mov.u32 %0, 0; mov.u32 %1, 0; mov.u32 %2, 0; mov.u32 %3, 0;\n"
      "@p ld.global" ASSAY_CONSTANT ".v4.u32 {%0,%1,%2,%3}, [%4];}"
      : "=&r"(v.w[0]), "=&r"(v.w[1]), "=&r"(v.w[2]), "=&r"(v.w[3])
      : "l"(from), "r"(uint32_t(wanted))
      : "memory");
  return v;
}

/// A warp's rows: the lower half of a tile's are `low`, the upper half `high`.
template <class T>
struct SharedDots {
  Words a[STEPS];

  static __device__ __forceinline__ int lane() { return int(threadIdx.x % 32u); }
  static __device__ __forceinline__ int lane_row() { return int(unsigned(lane()) / 4 / kSlices); }
  /// Where in a step's k this lane's weights, and its part of A, begin.
  static __device__ __forceinline__ int lane_k() {
    return int(unsigned(lane()) / 4 % kSlices * 32 + unsigned(lane()) % 4 * 8);
  }

  __device__ __forceinline__ void load_a(const T* row, int first_k, int k, bool is_real) {
    const T* const at = row + uint32_t(first_k + lane_k());
#pragma unroll
    for (int i = 0; i < STEPS; ++i)
      a[i] = activations_if(is_real && first_k + i * kStep + lane_k() < k, at + i * kStep);
  }

  /// Adds to what a lane has of its rows' sums, for one tile. `low`, `high`: where in shared memory its rows begin.
  __device__ __forceinline__ void multiply(uint32_t low, uint32_t high, int first_k, int k, bool is_real,
                                           float& low_sum, float& high_sum) const {
    const uint32_t own = 2 * uint32_t(first_k + lane_k());
    Words l[STEPS], h[STEPS];
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const bool inside = is_real && first_k + i * kStep + lane_k() < k;
      l[i] = words_of_stage_if(inside, low + own + 2 * i * kStep),
      h[i] = words_of_stage_if(inside, high + own + 2 * i * kStep);
    }
    float c[kChains][4] = {};
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      multiply_tile(c[2 * i % kChains], l[i].w[0], h[i].w[0], l[i].w[1], h[i].w[1], a[i].w[0], a[i].w[1], T{});
      multiply_tile(c[(2 * i + 1) % kChains], l[i].w[2], h[i].w[2], l[i].w[3], h[i].w[3], a[i].w[2], a[i].w[3], T{});
    }
#pragma unroll
    for (int chain = 1; chain < kChains; ++chain)
#pragma unroll
      for (int j = 0; j < 4; ++j) c[0][j] += c[chain][j];
    // A tile row counts only in the column of its own slice.
    const int slice = int(unsigned(lane()) / 4 % kSlices);
    const bool mine = (lane() & 3) == slice / 2;
    low_sum += mine ? (slice & 1 ? c[0][1] : c[0][0]) : 0;
    high_sum += mine ? (slice & 1 ? c[0][3] : c[0][2]) : 0;
  }

  /// Whether this lane has results after reduce(): of rows lane_row() and lane_row() + ROWS/2.
  static __device__ __forceinline__ bool holds() { return unsigned(lane()) % (4 * kSlices) == 0; }
  static __device__ __forceinline__ void reduce(float (&low)[TILES], float (&high)[TILES]) {
#pragma unroll
    for (int bit = 0; (1 << bit) < kSlices; ++bit) {
      const int partner = (4 << bit) | ((1 << bit) >> 1);  // where a slice so far away has its sums
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
        low[i] += __shfl_xor_sync(0xffffffffu, low[i], partner);
        high[i] += __shfl_xor_sync(0xffffffffu, high[i], partner);
      }
    }
  }
};

}  // namespace assay
