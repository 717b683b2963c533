// q8_dot: one row of F16 or F32 activations times Q8_0 weights, LANES lanes a row and ROWS rows a lane group; a lane widens whole blocks of 32 to
// floats in registers. Blocks of 34 bytes are read as they lie, in 2-byte words; split storage in 16-byte words.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "q8.h"

namespace assay {

struct Block {
  uint32_t q[8];
  float scale;
};

template <bool kSplit>
__device__ __forceinline__ Block load_block(const void* b, const void* scales, int64_t index) {
  Block v;
  if constexpr (kSplit) {
    const char* p = static_cast<const char*>(b) + index * 32;
    const Words first = load_words<kNoAllocate>(p), second = load_words<kNoAllocate>(p + 16);
#pragma unroll
    for (int i = 0; i < 4; ++i) v.q[i] = first.w[i], v.q[4 + i] = second.w[i];
    v.scale = scale_at(scales, index);
  } else {
    const uint16_t* p = static_cast<const uint16_t*>(b) + index * 17;
    v.scale = to_float(Half{p[0]});
#pragma unroll
    for (int i = 0; i < 8; ++i) v.q[i] = p[1 + 2 * i] | uint32_t(p[2 + 2 * i]) << 16;
  }
  return v;
}

/// 32 activations as they lie.
template <class T>
struct Activations {
  static constexpr int kWords = 32 * int(sizeof(T)) / 16;
  Words w[kWords];

  __device__ __forceinline__ void pair(int which, float* to) const {
#pragma unroll
    for (int i = 0; i < 2 / kPerWord<T>; ++i) {
      const int word = which * 2 / kPerWord<T> + i;
      unpack(w[word / 4].w[word % 4], T{}, to + i * kPerWord<T>);
    }
  }
};

template <class T>
__device__ __forceinline__ float dot_block(const Block& v, const Activations<T>& a) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    uint32_t halves[2];
    bytes_to_halves(v.q[i], halves[0], halves[1]);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      float x[2], y[2];
      unpack(halves[h], Half{}, x);
      a.pair(2 * i + h, y);
      sum = fmaf(x[0], y[0], fmaf(x[1], y[1], sum));
    }
  }
  return sum * v.scale;
}

template <class T, bool kSplit, bool kFused>
__device__ __forceinline__ void dot(const assay_cuda_call& call) {
  constexpr int kGroups = THREADS / LANES;
  const int lane = int(threadIdx.x % unsigned(LANES)), blocks = call.brief.k / 32, m_row = int(blockIdx.y);
  const Rows rows = rows_of<kFused>(call, int(blockIdx.x) * kGroups + int(threadIdx.x / unsigned(LANES)), ROWS);
  const assay_cuda_segment& s = call.matmul.segment[rows.segment];
  const T* a = element<T>(call.matmul.a, 0, m_row, 0);
  const int row = rows.row + lane;
  const bool mine = lane < ROWS && row < rows.n;
  const float add = mine ? addend<T>(call, s, 0, m_row, row) : 0;
  float sum[ROWS] = {};
  for (int i = lane; i < blocks; i += LANES) {
    Block v[ROWS];
    Activations<T> x;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) v[r] = load_block<kSplit>(rows.b, rows.scales, int64_t(min(rows.row + r, rows.n - 1)) * blocks + i);
#pragma unroll
    for (int w = 0; w < Activations<T>::kWords; ++w)
      x.w[w] = load_words<kCached>(a + i * 32 + w * (16 / int(sizeof(T))));
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sum[r] += dot_block(v[r], x);
  }
  float total = 0;
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const float all = lanes_sum<LANES>(sum[r]);
    total = lane == r ? all : total;
  }
  if (mine) store<T>(s, 0, m_row, row, call.params[0].value * total + add);
}

}  // namespace assay

ASSAY_ENTRY(nt, f16, q8_0, f16) { assay::dot<assay::Half, false, false>(call); }
ASSAY_ENTRY(nt, f16, q8_0_split, f16) { assay::dot<assay::Half, true, false>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q8_0, f16) { assay::dot<assay::Half, false, true>(call); }
ASSAY_FUSED_ENTRY(nt, f16, q8_0_split, f16) { assay::dot<assay::Half, true, true>(call); }
ASSAY_ENTRY(nt, f32, q8_0, f32) { assay::dot<float, false, false>(call); }
ASSAY_ENTRY(nt, f32, q8_0_split, f32) { assay::dot<float, true, false>(call); }
ASSAY_FUSED_ENTRY(nt, f32, q8_0, f32) { assay::dot<float, false, true>(call); }
ASSAY_FUSED_ENTRY(nt, f32, q8_0_split, f32) { assay::dot<float, true, true>(call); }
