// Rows of weights in shared memory times one row of A on tensor cores: what bulk_m1_mma and gate_up_bulk share. A block has GROUPS groups
// of TILES times ROWS rows; SPLIT warps share the k of each. In a chain a block runs through its code once before the wait (WARM), with nothing in its
// hands: the instructions behind the wait are then there.
#pragma once
#include "bulk.h"

namespace assay {

constexpr int kSlices = 16 / ROWS, kStep = 32 * kSlices;   // of k in a tile of the tensor cores; values of k that a warp takes in a step
constexpr int kOwn = STEPS * kStep, kPassed = SPLIT * kOwn;  // … and in a pass: a warp, all warps of a group
constexpr int kChains = 2 * STEPS < 4 ? 2 * STEPS : 4;  // of products that wait for each other

template <class A>
struct WeightOf {
  using Type = A;
};
template <>
struct WeightOf<float> {
  using Type = Half;
};

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

/// Two halves: `low` in the lower one.
__device__ __forceinline__ uint32_t halves_of(float low, float high) {
  uint32_t word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

/// F32 values as halves: even columns of the tile get a value's nearest half, odd ones the half of what that leaves out, so that no product
/// more is needed. The values of a slice are brought below 2^15 first, by a power of two, and its sums back by `back`.
struct Halved {
  float to, back;
  /// `largest`: the bits of the largest of the slice's values, without signs.
  __device__ __forceinline__ explicit Halved(uint32_t largest) {
    const uint32_t bits = min(268u - min(largest >> 23, 254u), 253u);
    to = __uint_as_float(bits << 23), back = __uint_as_float((254u - bits) << 23);
  }
  __device__ __forceinline__ uint32_t word(float low, float high, float is_rest) const {
    low *= to, high *= to;
    float of_half[2];
    unpack(halves_of(low, high), Half{}, of_half);
    return halves_of(fmaf(-is_rest, of_half[0], low), fmaf(-is_rest, of_half[1], high));
  }
};

/// A warp's rows: the lower half of a tile's are `low`, the upper half `high`.
template <class A>
struct SharedDots {
  using W = typename WeightOf<A>::Type;
  static constexpr bool kWide = sizeof(A) == 4;
  static_assert(!kWide || ROWS >= 4, "eight columns are at most four slices of two halves");

  Words a[STEPS];
  float back[kWide ? STEPS : 1];

  static __device__ __forceinline__ int lane() { return int(threadIdx.x % 32u); }
  static __device__ __forceinline__ int lane_row() { return int(unsigned(lane()) / 4 / kSlices); }
  /// Where in a step's k this lane's weights, and its part of A, begin.
  static __device__ __forceinline__ int weight_k() { return int(unsigned(lane()) / 4 % kSlices * 32 + unsigned(lane()) % 4 * 8); }
  static __device__ __forceinline__ int a_k() {
    return int(unsigned(lane()) / (kWide ? 8 : 4) % kSlices * 32 + unsigned(lane()) % 4 * 8);
  }

  __device__ __forceinline__ void load_a(const A* row, int first_k, int k, bool is_real) {
    const A* const at = row + uint32_t(first_k + a_k());
    const auto inside = [&](int i) { return is_real && first_k + i * kStep + a_k() < k; };
    if constexpr (!kWide) {
#pragma unroll
      for (int i = 0; i < STEPS; ++i) a[i] = activations_if(inside(i), at + i * kStep);
    } else {
      Words x[STEPS][2];
#pragma unroll
      for (int i = 0; i < STEPS; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) x[i][half] = activations_if(inside(i), at + i * kStep + 4 * half);
      const float is_rest = lane() / 4 % 2 ? 1.0f : 0.0f;
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        uint32_t largest = 0;
#pragma unroll
        for (int j = 0; j < 8; ++j) largest = max(largest, x[i][j / 4].w[j % 4] & 0x7fffffffu);
        largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
        largest = max(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
        const Halved halved(largest);
        back[i] = __shfl_sync(0xffffffffu, halved.back, lane() / 4 % kSlices * 8);  // of the slice that this lane's rows are of
#pragma unroll
        for (int j = 0; j < 4; ++j)
          a[i].w[j] = halved.word(__uint_as_float(x[i][j / 2].w[j % 2 * 2]), __uint_as_float(x[i][j / 2].w[j % 2 * 2 + 1]), is_rest);
      }
    }
  }

  /// Adds to what a lane has of its rows' sums, for one tile. `low`, `high`: where in shared memory its rows begin.
  __device__ __forceinline__ void multiply(uint32_t low, uint32_t high, int first_k, int k, bool is_real, float& low_sum, float& high_sum) const {
    // A tile row counts only in the columns of its own slice.
    const int slice = int(unsigned(lane()) / 4 % kSlices), t = lane() & 3;
    const uint32_t own = 2 * uint32_t(first_k + weight_k());
    Words l[STEPS], h[STEPS];
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const bool inside = is_real && first_k + i * kStep + weight_k() < k;
      l[i] = words_of_stage_if(inside, low + own + 2 * i * kStep), h[i] = words_of_stage_if(inside, high + own + 2 * i * kStep);
    }
    if constexpr (kWide) {
      float low_of_slice = 0, high_of_slice = 0;
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        float c[4] = {};
        multiply_tile(c, l[i].w[0], h[i].w[0], l[i].w[1], h[i].w[1], a[i].w[0], a[i].w[1], W{});
        multiply_tile(c, l[i].w[2], h[i].w[2], l[i].w[3], h[i].w[3], a[i].w[2], a[i].w[3], W{});
        low_of_slice = fmaf(c[0] + c[1], back[i], low_of_slice), high_of_slice = fmaf(c[2] + c[3], back[i], high_of_slice);
      }
      low_sum += t == slice ? low_of_slice : 0, high_sum += t == slice ? high_of_slice : 0;
    } else {
      float c[kChains][4] = {};
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        multiply_tile(c[2 * i % kChains], l[i].w[0], h[i].w[0], l[i].w[1], h[i].w[1], a[i].w[0], a[i].w[1], W{});
        multiply_tile(c[(2 * i + 1) % kChains], l[i].w[2], h[i].w[2], l[i].w[3], h[i].w[3], a[i].w[2], a[i].w[3], W{});
      }
#pragma unroll
      for (int chain = 1; chain < kChains; ++chain)
#pragma unroll
        for (int j = 0; j < 4; ++j) c[0][j] += c[chain][j];
      low_sum += t == slice / 2 ? (slice & 1 ? c[0][1] : c[0][0]) : 0;
      high_sum += t == slice / 2 ? (slice & 1 ? c[0][3] : c[0][2]) : 0;
    }
  }

  /// Whether this lane has results after reduce(): of rows lane_row() and lane_row() + ROWS/2.
  static __device__ __forceinline__ bool holds() { return unsigned(lane()) % (4 * kSlices) == 0; }
  static __device__ __forceinline__ void reduce(float (&low)[TILES], float (&high)[TILES]) {
#pragma unroll
    for (int bit = 0; (1 << bit) < kSlices; ++bit) {
      const int partner = (4 << bit) | (kWide ? 1 << bit : (1 << bit) >> 1);  // where a slice so far away has its sums
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
        low[i] += __shfl_xor_sync(0xffffffffu, low[i], partner);
        high[i] += __shfl_xor_sync(0xffffffffu, high[i], partner);
      }
    }
  }
};

}  // namespace assay
