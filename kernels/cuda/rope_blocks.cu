// rope_blocks: a cache of Q8_0: a warp a head of q, k or v, a lane a value of each 32, so that a block's largest value
// is the warp's. Its angles are computed while the values are on their way.
#define ASSAY_BOUNDS __launch_bounds__(32 * HEADS)
#include "rope_turn.h"

namespace assay {

constexpr int kBlocks = SIZE / 32;

/// The largest of a block is 127 steps, the others the nearest number of them.
__device__ __forceinline__ void write_block(uint8_t* block, float value) {
  const uint32_t largest = __reduce_max_sync(0xffffffffu, __float_as_uint(value) & 0x7fffffffu);
  const float step = __uint_as_float(largest) / 127;
  const Half scale = from_float<Half>(step);
  const int lane = int(threadIdx.x % 32u);
  if (lane == 0) *reinterpret_cast<Half*>(block) = scale;
  block[2 + lane] = uint8_t(scale.bits == 0 ? 0 : __float2int_rn(value / step));
}

template <class A, class D>
__device__ __forceinline__ void turn(const assay_cuda_call& call) {
  let_next_begin();
  const assay_cuda_operands& in = call.operands;
  const int heads = in.heads, head = int(blockIdx.x) * HEADS + int(threadIdx.x / 32u), row = int(blockIdx.y),
            lane = int(threadIdx.x % 32u);
  const int of_k = head - heads, of_v = of_k - in.kv_heads;
  if (of_v >= in.kv_heads) return;
  const auto position_here = [&] { return *static_cast<const int32_t*>(in.data[6]) + row; };
  int position = kChained ? 0 : position_here();
  const int dimensions = int(in.params[1]), half = dimensions / 2;
  const bool pairs = in.params[2] != 0;
  const int own = of_v >= 0 ? of_v : of_k >= 0 ? of_k : head, of_row = of_k >= 0 ? in.kv_heads : heads;
  const A* const from = static_cast<const A*>(of_v >= 0   ? in.data[2]
                                              : of_k >= 0 ? in.data[1]
                                                          : in.data[0]) +
                        (int64_t(row) * of_row + own) * SIZE;
  float frequency[kBlocks], x[kBlocks], y[kBlocks];
  const auto is_turned = [&](int b) { return of_v < 0 && 32 * b + lane < dimensions; };
  const auto is_second = [&](int i) { return pairs ? i % 2 == 1 : i >= half; };
#pragma unroll
  for (int b = 0; b < kBlocks; ++b) {
    const int i = 32 * b + lane, j = pairs ? i / 2 : i >= half ? i - half : i;
    frequency[b] = is_turned(b) ? frequency_of(in.params[0], j, dimensions) : 0;
    if (is_turned(b) && in.data[7]) frequency[b] /= static_cast<const float*>(in.data[7])[j];
  }
  wait_for_previous();
  if (kChained) position = position_here();
#pragma unroll
  for (int b = 0; b < kBlocks; ++b) {
    const int i = 32 * b + lane;
    x[b] = to_float(from[i]), y[b] = is_turned(b) ? to_float(from[pairs ? i ^ 1 : i >= half ? i - half : i + half]) : 0;
  }
#pragma unroll
  for (int b = 0; b < kBlocks; ++b) {
    const int i = 32 * b + lane;
    const Turn t = turn_of(float(position) * frequency[b]);
    const float value = !is_turned(b)  ? x[b]
                        : is_second(i) ? x[b] * t.cosine + y[b] * t.sine
                                       : x[b] * t.cosine - y[b] * t.sine;
    if (of_k < 0)
      static_cast<D*>(in.data[3])[(int64_t(row) * heads + head) * SIZE + i] = from_float<D>(value);
    else
      write_block(static_cast<uint8_t*>(in.data[of_v >= 0 ? 5 : 4]) +
                      34 * ((int64_t(own) * in.capacity + position) * kBlocks + b),
                  value);
  }
}

}  // namespace assay

#define ASSAY_ROPE_ENTRY(a, d, A, D)                                                                         \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_q8_0_##d(const __grid_constant__ assay_cuda_call call) { \
    assay::turn<A, D>(call);                                                                                 \
  }
ASSAY_ROPE_ENTRY(f32, f32, float, float)
ASSAY_ROPE_ENTRY(f32, f16, float, assay::Half)
ASSAY_ROPE_ENTRY(f16, f32, assay::Half, float)
ASSAY_ROPE_ENTRY(f16, f16, assay::Half, assay::Half)
