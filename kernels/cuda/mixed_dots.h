// Rows of F16 weights times a row of F32 activations, all loads of a pass in flight before any arithmetic: what
// dot_mixed and gate_up_mixed share. An engine that keeps its residual in F32 calls these.
#pragma once
#include "device.h"

namespace assay {

constexpr int kEach = kPerLoad<Half>, kStep = LANES * kEach;  // values a load, of a row by all its lanes
constexpr int kPassed = UNROLL * kStep;                       // of a row in one pass
constexpr int kWarps = (LANES + 31) / 32;
static_assert(THREADS % LANES == 0 && (LANES <= 32 || LANES % 32 == 0), "a row's lanes are of one block");

/// What a lane has of kRows rows: its first value of each lies at `b`, `own` values behind the row's first.
template <int kRows>
struct MixedDots {
  Words weights[UNROLL][kRows];

  __device__ __forceinline__ void load(const Half* const (&b)[kRows], int from, int own, int k) {
#pragma unroll
    for (int u = 0; u < UNROLL; ++u)
#pragma unroll
      for (int r = 0; r < kRows; ++r)
        weights[u][r] = load_words_if<kAnyTime>(from + own + u * kStep < k, b[r] + from + u * kStep);
  }
  /// `a`: this lane's first value. In a chain the weights are there before A is: many short sums, added up.
  __device__ __forceinline__ void multiply(const float* a, int from, int own, int k, float (&sum)[kRows]) const {
    Words x[UNROLL][2];
#pragma unroll
    for (int u = 0; u < UNROLL; ++u)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        x[u][half] = load_words_if<kCached>(from + own + u * kStep < k, a + from + u * kStep + 4 * half);
#pragma unroll
    for (int u = 0; u < UNROLL; ++u)
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        float part = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float w[2];
          unpack(weights[u][r].w[i], Half{}, w);
          part = fmaf(w[0], __uint_as_float(x[u][i / 2].w[i % 2 * 2]), part);
          part = fmaf(w[1], __uint_as_float(x[u][i / 2].w[i % 2 * 2 + 1]), part);
        }
        sum[r] += part;
      }
  }
};

/// Sums over a row's lanes. Lane r gets row r's; where LANES > 32 all of its warps must call, and `shared` has kWarps ·
/// kRows floats.
template <int kRows>
__device__ __forceinline__ float sum_of_lane(float (&sum)[kRows], int lane, float* shared) {
#pragma unroll
  for (int r = 0; r < kRows; ++r) sum[r] = lanes_sum<(LANES < 32 ? LANES : 32)>(sum[r]);
  float total = sum[0];
  if constexpr (LANES <= 32) {
#pragma unroll
    for (int r = 1; r < kRows; ++r) total = lane == r ? sum[r] : total;
    return total;
  }
  if (lane % 32 == 0)
#pragma unroll
    for (int r = 0; r < kRows; ++r) shared[lane / 32 * kRows + r] = sum[r];
  __syncthreads();
  total = 0;
  if (lane < kRows)
#pragma unroll
    for (int w = 0; w < kWarps; ++w) total += shared[w * kRows + lane];
  return total;
}

}  // namespace assay
