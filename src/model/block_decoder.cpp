// Weights of GGUF files as floats. Compiled without fused multiply-adds: they round once where the reference does
// twice.
#include "model/block_decoder.h"

#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace assay {
namespace {

uint16_t bits16(const uint8_t* at) { return uint16_t(at[0] | at[1] << 8); }
float half_at(const uint8_t* at) { return half_to_float(bits16(at)); }

void decode_f32(const uint8_t* block, float* to) { std::memcpy(to, block, sizeof *to); }
void decode_f16(const uint8_t* block, float* to) { *to = half_at(block); }
void decode_bf16(const uint8_t* block, float* to) { *to = bf16_to_float(bits16(block)); }

void decode_q8_0(const uint8_t* block, float* to) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) to[i] = float(int8_t(block[2 + i])) * scale;
}

// The 32-value blocks of 4 and 5 bits: byte i holds the low bits of value i and, above them, of value i + 16; a fifth
// bit stands in a word of its own.
int low_bits(const uint8_t* nibbles, int i) { return i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4; }
int fifth_bit(const uint8_t* word, int i) { return word[i / 8] >> (i % 8) & 1; }

void decode_q4_0(const uint8_t* block, float* to) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) to[i] = float(low_bits(block + 2, i) - 8) * scale;
}

void decode_q4_1(const uint8_t* block, float* to) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int i = 0; i < 32; ++i) to[i] = float(low_bits(block + 4, i)) * scale + least;
}

void decode_q5_0(const uint8_t* block, float* to) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) to[i] = float((low_bits(block + 6, i) | fifth_bit(block + 2, i) << 4) - 16) * scale;
}

void decode_q5_1(const uint8_t* block, float* to) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int i = 0; i < 32; ++i) to[i] = float(low_bits(block + 8, i) | fifth_bit(block + 4, i) << 4) * scale + least;
}

/// Scale and minimum of each 32 of 256 values, six bits each in 12 bytes: the first four of both stand in the low six
/// bits of bytes 0 to 7; of the others the low four bits in bytes 8 to 11, the high two above those of the first.
struct SixBitPair {
  int scale, least;
};
SixBitPair six_bit_pair(const uint8_t* packed, int i) {
  if (i < 4) return {packed[i] & 63, packed[i + 4] & 63};
  return {(packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4, (packed[i + 4] >> 4) | (packed[i] >> 6) << 4};
}

/// Q4_K and Q5_K: `high` holds a fifth bit of each value, bit i / 32 of byte i % 32, or is nullptr.
void decode_with_minima(const uint8_t* block, const uint8_t* high, const uint8_t* nibbles, float* to) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int group = 0; group < 8; ++group) {
    const SixBitPair pair = six_bit_pair(block + 4, group);
    const float group_scale = scale * float(pair.scale), group_least = least * float(pair.least);
    const uint8_t* low = nibbles + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int value = (group % 2 ? low[i] >> 4 : low[i] & 15) + (high ? (high[i] >> group & 1) << 4 : 0);
      to[group * 32 + i] = group_scale * float(value) - group_least;
    }
  }
}

void decode_q4_k(const uint8_t* block, float* to) { decode_with_minima(block, nullptr, block + 16, to); }
void decode_q5_k(const uint8_t* block, float* to) { decode_with_minima(block, block + 16, block + 48, to); }

void decode_q6_k(const uint8_t* block, float* to) {
  const uint8_t *low = block, *high = block + 128, *scales = block + 192;
  const float scale = half_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, lane = i % 32;
    const uint8_t byte = low[half * 64 + quarter % 2 * 32 + lane];
    const int low_four = quarter < 2 ? byte & 15 : byte >> 4;
    const int high_two = high[half * 32 + lane] >> 2 * quarter & 3;
    to[i] = scale * float(int8_t(scales[i / 16])) * float((low_four | high_two << 4) - 32);
  }
}

template <void decode(const uint8_t*, float*)>
void decode_all(const TensorTypeFacts& facts, const uint8_t* block, int64_t values, float* to) {
  const int64_t block_values = facts.block_values, block_bytes = facts.block_bytes;
  for (int64_t i = 0; i < values; i += block_values, block += block_bytes) decode(block, to + i);
}

}  // namespace

void decode_blocks(TensorType type, const void* blocks, int64_t values, float* to) {
  const TensorTypeFacts& facts = tensor_type_facts(type);
  ASSAY_CHECK(values >= 0 && values % facts.block_values == 0);
  const auto* block = static_cast<const uint8_t*>(blocks);
  switch (type) {
    case TensorType::f32:
      return decode_all<decode_f32>(facts, block, values, to);
    case TensorType::f16:
      return decode_all<decode_f16>(facts, block, values, to);
    case TensorType::bf16:
      return decode_all<decode_bf16>(facts, block, values, to);
    case TensorType::q8_0:
      return decode_all<decode_q8_0>(facts, block, values, to);
    case TensorType::q4_0:
      return decode_all<decode_q4_0>(facts, block, values, to);
    case TensorType::q4_1:
      return decode_all<decode_q4_1>(facts, block, values, to);
    case TensorType::q5_0:
      return decode_all<decode_q5_0>(facts, block, values, to);
    case TensorType::q5_1:
      return decode_all<decode_q5_1>(facts, block, values, to);
    case TensorType::q4_k:
      return decode_all<decode_q4_k>(facts, block, values, to);
    case TensorType::q5_k:
      return decode_all<decode_q5_k>(facts, block, values, to);
    case TensorType::q6_k:
      return decode_all<decode_q6_k>(facts, block, values, to);
    default:
      fail("weights of type {} are not supported; supported are {}: quantize the model to one of these", facts.name,
           decoded_type_names());
  }
}

}  // namespace assay
