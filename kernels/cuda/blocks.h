// Blocks of GGUF's quantized types: their sizes, and one of their values as a float.
#pragma once
#include "device.h"

namespace assay {

/// Values that follow each other along k, and the bytes they take together.
struct BlockShape {
  int values, bytes;
};
__device__ __forceinline__ BlockShape block_shape(int dtype) {
  switch (dtype) {
    case ASSAY_CUDA_Q4_0:
      return {32, 18};
    case ASSAY_CUDA_Q4_1:
      return {32, 20};
    case ASSAY_CUDA_Q5_0:
      return {32, 22};
    case ASSAY_CUDA_Q5_1:
      return {32, 24};
    case ASSAY_CUDA_Q4_K:
      return {256, 144};
    case ASSAY_CUDA_Q5_K:
      return {256, 176};
    case ASSAY_CUDA_Q6_K:
      return {256, 210};
    default:
      return {32, 34};
  }
}

__device__ __forceinline__ float half_at(const uint8_t* at) { return to_float(*reinterpret_cast<const Half*>(at)); }

/// Of 32: low nibbles are values 0 … 15, high ones 16 … 31; the fifth bits stand in four bytes of their own.
__device__ __forceinline__ int nibble(const uint8_t* at, int i) { return at[i % 16] >> (i / 16 * 4) & 15; }
__device__ __forceinline__ int fifth_bit(const uint8_t* at, int i) { return (at[i / 8] >> i % 8 & 1) << 4; }

/// Q4_K, Q5_K (`fifth` null without): groups of 32 with a six-bit scale and minimum each, in twelve bytes.
__device__ __forceinline__ float group_value(const uint8_t* block, const uint8_t* nibbles, const uint8_t* fifth, int i) {
  const int group = i / 32, lane = i % 32;
  const uint8_t* packed = block + 4;
  const int scale = group < 4 ? packed[group] & 63 : (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
  const int least = group < 4 ? packed[group + 4] & 63 : packed[group + 4] >> 4 | packed[group] >> 6 << 4;
  int step = nibbles[group / 2 * 32 + lane] >> (group % 2 * 4) & 15;
  if (fifth) step |= (fifth[lane] >> group & 1) << 4;
  return half_at(block) * float(scale) * float(step) - half_at(block + 2) * float(least);
}

__device__ __forceinline__ float six_bit_value(const uint8_t* block, int i) {
  const int half = i / 128, quarter = i / 32 % 4, lane = i % 32;
  const int low = block[half * 64 + quarter % 2 * 32 + lane] >> (quarter / 2 * 4) & 15;
  const int high = block[128 + half * 32 + lane] >> (2 * quarter) & 3;
  return half_at(block + 208) * float(static_cast<signed char>(block[192 + i / 16])) * float((low | high << 4) - 32);
}

__device__ __forceinline__ float block_value(int dtype, const uint8_t* block, int i) {
  switch (dtype) {
    case ASSAY_CUDA_Q4_0:
      return half_at(block) * float(nibble(block + 2, i) - 8);
    case ASSAY_CUDA_Q4_1:
      return half_at(block) * float(nibble(block + 4, i)) + half_at(block + 2);
    case ASSAY_CUDA_Q5_0:
      return half_at(block) * float((nibble(block + 6, i) | fifth_bit(block + 2, i)) - 16);
    case ASSAY_CUDA_Q5_1:
      return half_at(block) * float(nibble(block + 8, i) | fifth_bit(block + 4, i)) + half_at(block + 2);
    case ASSAY_CUDA_Q4_K:
      return group_value(block, block + 16, nullptr, i);
    case ASSAY_CUDA_Q5_K:
      return group_value(block, block + 48, block + 16, i);
    case ASSAY_CUDA_Q6_K:
      return six_bit_value(block, i);
    default:
      return half_at(block) * float(static_cast<signed char>(block[2 + i]));
  }
}

}  // namespace assay
