// rope_spread: a thread a pair of values of q or k, or two values of v; its angle is computed while they are on their way.
#define ASSAY_BOUNDS __launch_bounds__(LANES* HEADS)
#include "rope_turn.h"

namespace assay {

/// threadIdx.x: a pair of values; (blockIdx.x, threadIdx.y): a head of q, k or v; blockIdx.y: a row. No division on the way.
template <class A, class C, class D>
__device__ __forceinline__ void turn(const assay_cuda_call& call) {
  let_next_begin();
  const assay_cuda_operands& in = call.operands;
  const int heads = in.heads, head = int(blockIdx.x) * HEADS + int(threadIdx.y), row = int(blockIdx.y);
  const int of_k = head - heads, of_v = of_k - in.kv_heads;
  if (of_v >= in.kv_heads) return;
  const auto position_here = [&] { return *static_cast<const int32_t*>(in.data[6]) + row; };
  int position = kChained ? 0 : position_here();
  const int dimensions = int(in.params[1]);
  const int own = of_v >= 0 ? of_v : of_k >= 0 ? of_k : head, of_row = of_k >= 0 ? in.kv_heads : heads;
  const A* from = static_cast<const A*>(of_v >= 0 ? in.data[2] : of_k >= 0 ? in.data[1] : in.data[0]) +
                  (int64_t(row) * of_row + own) * in.head_size;
  for (int j = int(threadIdx.x); j < in.head_size / 2; j += LANES) {
    const bool turns = of_v < 0 && j < dimensions / 2, neighbours = in.params[2] != 0 || !turns;
    const int first = neighbours ? 2 * j : j, second = neighbours ? 2 * j + 1 : j + dimensions / 2;
    float frequency = 0;
    if (kChained && turns) frequency = frequency_of(in.params[0], j, dimensions);
    wait_for_previous();  // again in the next round, where it is over at once
    if (kChained) position = position_here();
    float x = to_float(from[first]), y = to_float(from[second]);
    if (turns) {
      if (!kChained) frequency = frequency_of(in.params[0], j, dimensions);
      if (in.data[7]) frequency /= static_cast<const float*>(in.data[7])[j];
      const Turn t = turn_of(float(position) * frequency);
      const float turned = x * t.cosine - y * t.sine;
      y = y * t.cosine + x * t.sine;
      x = turned;
    }
    if (of_k < 0) {
      D* const to = static_cast<D*>(in.data[3]) + (int64_t(row) * heads + head) * in.head_size;
      to[first] = from_float<D>(x), to[second] = from_float<D>(y);
    } else {
      C* const to = static_cast<C*>(in.data[of_v >= 0 ? 5 : 4]) + (int64_t(own) * in.capacity + position) * in.head_size;
      to[first] = from_float<C>(x), to[second] = from_float<C>(y);
    }
  }
}

}  // namespace assay

#define ASSAY_ROPE_ENTRY(a, c, d, A, C, D)                                                                        \
  extern "C" __global__ void ASSAY_BOUNDS run_##a##_##c##_##d(const __grid_constant__ assay_cuda_call call) {     \
    assay::turn<A, C, D>(call);                                                                                   \
  }
#define ASSAY_ROPE_OF(c, C)                                                                                       \
  ASSAY_ROPE_ENTRY(f32, c, f32, float, C, float) ASSAY_ROPE_ENTRY(f32, c, f16, float, C, assay::Half)             \
  ASSAY_ROPE_ENTRY(f16, c, f32, assay::Half, C, float) ASSAY_ROPE_ENTRY(f16, c, f16, assay::Half, C, assay::Half) \
  ASSAY_ROPE_ENTRY(f32, c, bf16, float, C, assay::Bfloat) ASSAY_ROPE_ENTRY(bf16, c, f32, assay::Bfloat, C, float) \
  ASSAY_ROPE_ENTRY(bf16, c, bf16, assay::Bfloat, C, assay::Bfloat)                                                \
  ASSAY_ROPE_ENTRY(f16, c, bf16, assay::Half, C, assay::Bfloat) ASSAY_ROPE_ENTRY(bf16, c, f16, assay::Bfloat, C, assay::Half)
ASSAY_ROPE_OF(f32, float)
ASSAY_ROPE_OF(f16, assay::Half)
ASSAY_ROPE_OF(bf16, assay::Bfloat)
