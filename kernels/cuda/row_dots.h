// Rows of B times one row of A on tensor cores, everything in registers: what dot_m1_mma, largek and nn_prepared share.
#pragma once
#include "device.h"

namespace assay {

/// A warp multiplies kRows rows of B with A. The tile's 16 rows are kRows rows times kSlices slices of 32 along k, so
/// that a lane's 16-byte loads are consecutive memory and A's words are the tile's right side as loaded: column s holds
/// slice s of A.
template <class T, int kRows, int kSteps, int kHint>
struct RowDots {
  static constexpr int kSlices = 16 / kRows, kStep = 32 * kSlices;  // values of k a step
  // Products that wait for each other: in a chain all operands are there at once.
  static constexpr int kChains = !kChained ? 1 : kSteps < 2 ? 2 : 4;
  Words a[kSteps], low[kSteps], high[kSteps];  // rows [0, kRows/2) and [kRows/2, kRows)
  float c[kChains][4];

  static __device__ __forceinline__ int lane() { return int(threadIdx.x % 32u); }
  /// Where in a step's k this lane's 8 values begin; its first row within the kRows.
  static __device__ __forceinline__ int lane_k() {
    return int((unsigned(lane()) / 4 % kSlices) * 32 + unsigned(lane()) % 4 * 8);
  }
  static __device__ __forceinline__ int lane_row() { return int(unsigned(lane()) / 4 / kSlices); }

  __device__ __forceinline__ void load_a(const T* a_row, int first_k, int k) {
    const T* at = a_row + uint32_t(first_k + lane_k());
#pragma unroll
    for (int i = 0; i < kSteps; ++i) a[i] = load_words_if<kCached>(first_k + i * kStep + lane_k() < k, at + i * kStep);
  }

  struct Pointers {
    const T *low, *high;
  };
  /// Where this lane's two rows of B begin, at `first_k`; rows past the last are the last.
  static __device__ __forceinline__ Pointers pointers(const Rows& rows, int first_k) {
    const int low = rows.row + lane_row(), last = rows.n - 1;
    const uint32_t column = uint32_t(first_k + lane_k());
    return {row_at<T>(rows.b, uint32_t(min(low, last)), rows.stride, column),
            row_at<T>(rows.b, uint32_t(min(low + kRows / 2, last)), rows.stride, column)};
  }

  __device__ __forceinline__ void load_b(const Pointers& at, int first_k, int k) {
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      const bool inside = first_k + i * kStep + lane_k() < k;
      low[i] = load_words_if<kHint>(inside, at.low + i * kStep);
      high[i] = load_words_if<kHint>(inside, at.high + i * kStep);
    }
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int chain = 0; chain < kChains; ++chain) c[chain][0] = c[chain][1] = c[chain][2] = c[chain][3] = 0;
  }
  __device__ __forceinline__ void multiply() {
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      multiply_tile(c[2 * i % kChains], low[i].w[0], high[i].w[0], low[i].w[1], high[i].w[1], a[i].w[0], a[i].w[1], T{});
      multiply_tile(c[(2 * i + 1) % kChains], low[i].w[2], high[i].w[2], low[i].w[3], high[i].w[3], a[i].w[2], a[i].w[3], T{});
    }
  }

  /// Whether this lane holds results after reduce(): of rows lane_row() and lane_row() + kRows/2.
  static __device__ __forceinline__ bool holds() { return unsigned(lane()) % (4 * kSlices) == 0; }
  /// Tile row r counts only in the column of its own slice; slices are then summed over lanes.
  __device__ __forceinline__ void reduce(float& low_sum, float& high_sum) {
    const int slice = int(unsigned(lane()) / 4 % kSlices), t = lane() & 3;
    const bool mine = t == slice / 2;
#pragma unroll
    for (int chain = 1; chain < kChains; ++chain)
#pragma unroll
      for (int i = 0; i < 4; ++i) c[0][i] += c[chain][i];
    low_sum = mine ? (slice & 1 ? c[0][1] : c[0][0]) : 0;
    high_sum = mine ? (slice & 1 ? c[0][3] : c[0][2]) : 0;
#pragma unroll
    for (int bit = 0; (1 << bit) < kSlices; ++bit) {
      const int partner = (4 << bit) | ((1 << bit) >> 1);  // a slice twice as far sits in the next lane's column
      low_sum += __shfl_xor_sync(0xffffffffu, low_sum, partner);
      high_sum += __shfl_xor_sync(0xffffffffu, high_sum, partner);
    }
  }
};

}  // namespace assay
