// Blocks of GGUF's quantized types: their sizes, and sixteen of their values as floats.
#pragma once
#include "call.h"

namespace assay {

/// Values that follow each other along k, and the bytes they take together. A dense type's block is one value.
struct BlockShape {
  int64_t values, bytes;
};
inline BlockShape block_shape(uint32_t dtype) {
  switch (dtype) {
    case ASSAY_Q8_0:
      return {32, 34};
    case ASSAY_Q4_0:
      return {32, 18};
    case ASSAY_Q4_1:
      return {32, 20};
    case ASSAY_Q5_0:
      return {32, 22};
    case ASSAY_Q5_1:
      return {32, 24};
    case ASSAY_Q4_K:
      return {256, 144};
    case ASSAY_Q5_K:
      return {256, 176};
    case ASSAY_Q6_K:
      return {256, 210};
    default:
      return {1, dtype == ASSAY_F32 ? 4 : 2};
  }
}

/// Row `row` of one batch of a tensor whose layout is BLOCKS.
inline const uint8_t* block_row(const assay_tensor& b, int64_t batch, int64_t row) {
  return static_cast<const uint8_t*>(b.data) + block_shape(b.dtype).bytes * (batch * b.strides[0] + row * b.strides[1]);
}

inline float half_at(const uint8_t* at) {
  Half half;
  memcpy(&half, at, sizeof half);
  return to_float(half);
}

/// Values first … first + 15 of a block; first is a multiple of 16.
using DecodeSixteen = void (*)(const uint8_t* block, int64_t first, float* to);

inline void decode_q8_0(const uint8_t* block, int64_t first, float* to) {
  const float scale = half_at(block);
  const auto* values = reinterpret_cast<const int8_t*>(block + 2 + first);
  for (int i = 0; i < 16; ++i) to[i] = float(values[i]) * scale;
}

/// The 32-value blocks of 4 and 5 bits: low nibbles are values 0 … 15, high ones 16 … 31. kBits = 5: the fifth stands
/// in a word before them. kOffset is taken off; or kLeast: the half behind the scale is added.
template <int kBits, int kOffset, bool kLeast>
void decode_steps(const uint8_t* block, int64_t first, float* to) {
  const float scale = half_at(block), least = kLeast ? half_at(block + 2) : 0;
  const uint8_t *fifth_at = block + (kLeast ? 4 : 2), *nibbles = fifth_at + (kBits == 5 ? 4 : 0);
  uint32_t fifth = 0;
  if (kBits == 5) memcpy(&fifth, fifth_at, sizeof fifth);
  for (int i = 0; i < 16; ++i) {
    int step = first ? nibbles[i] >> 4 : nibbles[i] & 15;
    step |= int(fifth >> (first + i) & 1) << 4;
    to[i] = kLeast ? float(step) * scale + least : float(step - kOffset) * scale;
  }
}

/// Q4_K, Q5_K: 256 values, eight groups of 32 with a six-bit scale and minimum each, twelve bytes behind the two
/// halves.
template <bool kFifth>
void decode_k_steps(const uint8_t* block, int64_t first, float* to) {
  const uint8_t *packed = block + 4, *fifth = block + 16 + first % 32, *nibbles = block + (kFifth ? 48 : 16);
  const int64_t group = first / 32;
  int scale, least;
  if (group < 4) {
    scale = packed[group] & 63, least = packed[group + 4] & 63;
  } else {
    scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4;
    least = (packed[group + 4] >> 4) | (packed[group] >> 6) << 4;
  }
  const float step_size = half_at(block) * float(scale), off = half_at(block + 2) * float(least);
  nibbles += group / 2 * 32 + first % 32;
  for (int i = 0; i < 16; ++i) {
    int step = group % 2 ? nibbles[i] >> 4 : nibbles[i] & 15;
    if (kFifth) step |= (fifth[i] >> group & 1) << 4;
    to[i] = float(step) * step_size - off;
  }
}

inline void decode_q6_k(const uint8_t* block, int64_t first, float* to) {
  const int64_t half = first / 128, quarter = first / 32 % 4, lane = first % 32;
  const uint8_t *low = block + half * 64 + quarter % 2 * 32 + lane, *high = block + 128 + half * 32 + lane;
  const float scale = half_at(block + 208) * float(int8_t(block[192 + first / 16]));
  for (int i = 0; i < 16; ++i) {
    const int four = quarter < 2 ? low[i] & 15 : low[i] >> 4, two = high[i] >> (2 * quarter) & 3;
    to[i] = scale * float((four | two << 4) - 32);
  }
}

/// Null for a dense type.
inline DecodeSixteen decoder_of(uint32_t dtype) {
  switch (dtype) {
    case ASSAY_Q8_0:
      return decode_q8_0;
    case ASSAY_Q4_0:
      return decode_steps<4, 8, false>;
    case ASSAY_Q4_1:
      return decode_steps<4, 0, true>;
    case ASSAY_Q5_0:
      return decode_steps<5, 16, false>;
    case ASSAY_Q5_1:
      return decode_steps<5, 0, true>;
    case ASSAY_Q4_K:
      return decode_k_steps<false>;
    case ASSAY_Q5_K:
      return decode_k_steps<true>;
    case ASSAY_Q6_K:
      return decode_q6_k;
    default:
      return nullptr;
  }
}

}  // namespace assay
