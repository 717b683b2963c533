// rope_spread: a thread a pair of values of q or k, or two values of v; its angle is computed while they are on their way.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "device.h"

namespace assay {

struct Turn {
  float cosine, sine;
};

/// Of any angle that f32 holds: whole quarters of a turn are taken off with π/2 in three parts.
__device__ __forceinline__ Turn turn_of(float angle) {
  const float quarters = rintf(angle * 0.636619772f);
  float r = fmaf(-quarters, 1.57079637e+00f, angle);
  r = fmaf(-quarters, -4.37113883e-08f, r);
  r = fmaf(-quarters, -1.71512489e-15f, r);
  const float square = r * r;
  const float sine = fmaf(r * square, fmaf(square, fmaf(square, -1.95152959e-4f, 8.33216087e-3f), -1.66666546e-1f), r);
  const float cosine = fmaf(square * square, fmaf(square, fmaf(square, 2.44331571e-5f, -1.38873162e-3f), 4.16666457e-2f),
                            fmaf(square, -0.5f, 1.0f));
  const int quarter = int(quarters) & 3;
  const float c = quarter & 1 ? sine : cosine, s = quarter & 1 ? cosine : sine;
  return {quarter == 1 || quarter == 2 ? -c : c, quarter >= 2 ? -s : s};
}

template <class A, class C, class D>
__device__ __forceinline__ void turn(const assay_cuda_call& call) {
  const assay_cuda_operands& in = call.operands;
  const int half = in.head_size / 2, heads = in.heads, all = heads + 2 * in.kv_heads;
  const int64_t at = int64_t(blockIdx.x) * THREADS + threadIdx.x;
  const int j = int(at % half), head = int(at / half % all);
  const int64_t row = at / half / all;
  if (row >= in.rows) return;
  const int position = *static_cast<const int32_t*>(in.data[6]) + int(row);
  const int dimensions = int(in.params[1]), of_k = head - heads, of_v = of_k - in.kv_heads;
  const bool turns = of_v < 0 && j < dimensions / 2, neighbours = in.params[2] != 0 || !turns;
  const int first = neighbours ? 2 * j : j, second = neighbours ? 2 * j + 1 : j + dimensions / 2;
  const int own = of_v >= 0 ? of_v : of_k >= 0 ? of_k : head, of_row = of_k >= 0 ? in.kv_heads : heads;
  const A* from = static_cast<const A*>(of_v >= 0 ? in.data[2] : of_k >= 0 ? in.data[1] : in.data[0]) +
                  (row * of_row + own) * in.head_size;
  float x = to_float(from[first]), y = to_float(from[second]);
  if (turns) {
    float frequency = powf(in.params[0], -2.0f * float(j) / float(dimensions));
    if (in.data[7]) frequency /= static_cast<const float*>(in.data[7])[j];
    const Turn t = turn_of(float(position) * frequency);
    const float turned = x * t.cosine - y * t.sine;
    y = y * t.cosine + x * t.sine;
    x = turned;
  }
  if (of_k < 0) {
    D* const to = static_cast<D*>(in.data[3]) + (row * heads + head) * in.head_size;
    to[first] = from_float<D>(x), to[second] = from_float<D>(y);
  } else {
    C* const to = static_cast<C*>(in.data[of_v >= 0 ? 5 : 4]) + (int64_t(own) * in.capacity + position) * in.head_size;
    to[first] = from_float<C>(x), to[second] = from_float<C>(y);
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
