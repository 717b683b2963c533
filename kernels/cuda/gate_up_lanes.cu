// gate_up_lanes: a row of A times gate and up at once, LANES lanes an output: a lane takes blocks of 32 values of both, made floats in
// registers, and A's 32 once for the two. For activations that tensor cores do not take, and weights in blocks of 32.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

constexpr int kBlock = 32;

template <class T>
__device__ __forceinline__ void load_dense(const T* from, float* to) {
#pragma unroll
  for (int i = 0; i < kBlock / kPerLoad<T>; ++i) {
    const Words v = load_words<kCached>(from + i * kPerLoad<T>);
#pragma unroll
    for (int w = 0; w < 4; ++w) unpack(v.w[w], T{}, to + i * kPerLoad<T> + w * kPerWord<T>);
  }
}

/// Σ of a block times A's 32 values. Blocks lie at even addresses and no better.
struct Dense {
  static __device__ __forceinline__ float dot(const void* b, int64_t block, const float* a) {
    float w[kBlock], sum = 0;
    load_dense(static_cast<const Half*>(b) + block * kBlock, w);
#pragma unroll
    for (int i = 0; i < kBlock; ++i) sum = fmaf(w[i], a[i], sum);
    return sum;
  }
};
struct Q8 {
  static __device__ __forceinline__ float dot(const void* b, int64_t block, const float* a) {
    const uint16_t* p = static_cast<const uint16_t*>(b) + block * 17;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kBlock / 2; ++i) {
      const uint16_t two = p[1 + i];
      sum = fmaf(float(int8_t(two & 255)), a[2 * i], fmaf(float(int8_t(two >> 8)), a[2 * i + 1], sum));
    }
    return sum * to_float(Half{p[0]});
  }
};
struct Q4 {
  static __device__ __forceinline__ float dot(const void* b, int64_t block, const float* a) {
    const uint16_t* p = static_cast<const uint16_t*>(b) + block * 9;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const uint32_t two = p[1 + i];
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const uint32_t byte = two >> (8 * j) & 255;
        sum = fmaf(float(int(byte & 15) - 8), a[2 * i + j], fmaf(float(int(byte >> 4) - 8), a[2 * i + j + 16], sum));
      }
    }
    return sum * to_float(Half{p[0]});
  }
};

template <class A, class Weights>
__device__ __forceinline__ void gate_up(const assay_cuda_call& call) {
  const assay_cuda_operands& o = call.operands;
  const int n = call.tensors[3].dims[2], lane = int(threadIdx.x % unsigned(LANES)), blocks = o.columns / kBlock;
  const int column = int((blockIdx.x * THREADS + threadIdx.x) / unsigned(LANES)), row = int(blockIdx.y);
  const A* a = static_cast<const A*>(o.data[0]) + int64_t(row) * o.columns;
  float gate = 0, up = 0;
  for (int i = lane; column < n && i < blocks; i += LANES) {
    float values[kBlock];
    load_dense(a + i * kBlock, values);
    const int64_t block = int64_t(column) * blocks + i;
    gate += Weights::dot(o.data[1], block, values);
    up += Weights::dot(o.data[2], block, values);
  }
  gate = lanes_sum<LANES>(gate), up = lanes_sum<LANES>(up);
  if (lane == 0 && column < n) static_cast<A*>(o.data[3])[int64_t(row) * n + column] = from_float<A>(gate / (1 + expf(-gate)) * up);
}

}  // namespace assay

#define ASSAY_GATE_UP(a, b, A, B) \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##b##_##a(const __grid_constant__ assay_cuda_call call) { assay::gate_up<assay::A, assay::B>(call); }
namespace assay {
using Float = float;
}
ASSAY_GATE_UP(f32, f16, Float, Dense)
ASSAY_GATE_UP(f32, q8_0, Float, Q8)
ASSAY_GATE_UP(f32, q4_0, Float, Q4)
ASSAY_GATE_UP(f16, q8_0, Half, Q8)
ASSAY_GATE_UP(f16, q4_0, Half, Q4)
