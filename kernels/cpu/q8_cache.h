// The KV cache in blocks of Q8_0: how rows are written. blocks.h reads them.
#pragma once
#include "blocks.h"

namespace assay {

/// 32 values and the size of their step, as GGUF has them.
struct Q8Block {
  Half scale;
  int8_t values[32];
};
static_assert(sizeof(Q8Block) == 34);

/// `count` values, of whole blocks. The largest of a block is 127 steps, the others the nearest number of them; where a
/// half cannot hold the step, all are zero.
inline void encode_q8_0(const float* from, int64_t count, Q8Block* to) {
  constexpr float kRounder = 12582912.0f;  // 1.5 · 2^23: what is added to it is rounded to a whole number
  for (; count > 0; count -= 32, from += 32, ++to) {
    float largest = 0;
    for (int i = 0; i < 32; ++i) {
      const float size = from[i] < 0 ? -from[i] : from[i];
      largest = size > largest ? size : largest;
    }
    const float step = largest / 127;
    from_float(step, &to->scale);
    const float steps = to->scale.bits == 0 ? 0 : 1 / step;
    for (int i = 0; i < 32; ++i) {
      const float rounded = from[i] * steps + kRounder;
      int32_t bits;
      memcpy(&bits, &rounded, sizeof bits);
      to->values[i] = int8_t(bits);  // of the rounder's own bits the last eight are zero
    }
  }
}

/// The head of `size` values at [head, row] of a cache of blocks.
inline void write_blocks(const assay_tensor& cache, int64_t head, int64_t row, const float* from, int64_t size) {
  encode_q8_0(from, size, static_cast<Q8Block*>(cache.data) + head * cache.strides[0] + row * cache.strides[1]);
}

}  // namespace assay
