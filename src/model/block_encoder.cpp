// Floats as weights of GGUF files: the nearest values of each block's own grid, without a search for better grids.
#include "model/block_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/half.h"

namespace assay {
namespace {

void put16(uint8_t* to, uint16_t bits) {
  to[0] = uint8_t(bits);
  to[1] = uint8_t(bits >> 8);
}

/// Writes a scale and gives back what a reader will find: steps are counted with that.
float put_half(uint8_t* to, float value) {
  const uint16_t bits = float_to_half(value);
  put16(to, bits);
  return half_to_float(bits);
}

int nearest_step(float value, float inverse, int least, int most) {
  return std::clamp(int(std::lrintf(value * inverse)), least, most);
}
float inverse_of(float scale) { return scale != 0 ? 1 / scale : 0; }

/// The value farthest from zero, with its sign.
float farthest(const float* values, int count) {
  float far = 0;
  for (int i = 0; i < count; ++i) far = std::fabs(values[i]) > std::fabs(far) ? values[i] : far;
  return far;
}

void encode_f32(const float* values, uint8_t* to) { std::memcpy(to, values, sizeof *values); }
void encode_f16(const float* values, uint8_t* to) { put16(to, float_to_half(*values)); }
void encode_bf16(const float* values, uint8_t* to) { put16(to, float_to_bf16(*values)); }

void encode_q8_0(const float* values, uint8_t* to) {
  const float inverse = inverse_of(put_half(to, std::fabs(farthest(values, 32)) / 127));
  for (int i = 0; i < 32; ++i) to[2 + i] = uint8_t(nearest_step(values[i], inverse, -127, 127));
}

/// 32 values of 4 or 5 bits: the low four two to a byte, the fifth in a word where there is one.
void put_steps(const int (&steps)[32], uint8_t* fifth_bits, uint8_t* nibbles) {
  for (int i = 0; i < 16; ++i) nibbles[i] = uint8_t((steps[i] & 15) | (steps[i + 16] & 15) << 4);
  if (!fifth_bits) return;
  std::memset(fifth_bits, 0, 4);
  for (int i = 0; i < 32; ++i) fifth_bits[i / 8] = uint8_t(fifth_bits[i / 8] | (steps[i] >> 4) << i % 8);
}

/// The grid reaches one step farther below zero than above: the farthest value gets that end.
template <int kHalf>
void encode_symmetric(const float* values, uint8_t* scale_at, uint8_t* fifth_bits, uint8_t* nibbles) {
  const float inverse = inverse_of(put_half(scale_at, farthest(values, 32) / -kHalf));
  int steps[32];
  for (int i = 0; i < 32; ++i) steps[i] = kHalf + nearest_step(values[i], inverse, -kHalf, kHalf - 1);
  put_steps(steps, fifth_bits, nibbles);
}

template <int kMost>
void encode_from_least(const float* values, uint8_t* scale_at, uint8_t* fifth_bits, uint8_t* nibbles) {
  const auto [low, high] = std::minmax_element(values, values + 32);
  const float inverse = inverse_of(put_half(scale_at, (*high - *low) / kMost)), least = put_half(scale_at + 2, *low);
  int steps[32];
  for (int i = 0; i < 32; ++i) steps[i] = nearest_step(values[i] - least, inverse, 0, kMost);
  put_steps(steps, fifth_bits, nibbles);
}

void encode_q4_0(const float* values, uint8_t* to) { encode_symmetric<8>(values, to, nullptr, to + 2); }
void encode_q5_0(const float* values, uint8_t* to) { encode_symmetric<16>(values, to, to + 2, to + 6); }
void encode_q4_1(const float* values, uint8_t* to) { encode_from_least<15>(values, to, nullptr, to + 4); }
void encode_q5_1(const float* values, uint8_t* to) { encode_from_least<31>(values, to, to + 4, to + 8); }

/// As block_decoder.cpp reads them.
void put_six_bit_pairs(const int (&scales)[8], const int (&leasts)[8], uint8_t* packed) {
  for (int i = 0; i < 4; ++i) {
    packed[i] = uint8_t(scales[i] | (scales[i + 4] >> 4) << 6);
    packed[i + 4] = uint8_t(leasts[i] | (leasts[i + 4] >> 4) << 6);
    packed[i + 8] = uint8_t((scales[i + 4] & 15) | (leasts[i + 4] & 15) << 4);
  }
}

/// Q4_K and Q5_K: eight groups of 32, whose scales and minima are six-bit steps themselves.
template <int kMost>
void encode_with_minima(const float* values, uint8_t* to, uint8_t* high, uint8_t* nibbles) {
  float lows[8], widths[8], most_low = 0, most_width = 0;
  for (int g = 0; g < 8; ++g) {
    const auto [low, highest] = std::minmax_element(values + 32 * g, values + 32 * (g + 1));
    lows[g] = std::max(0.0f, -*low);  // a minimum is taken off: none above zero
    widths[g] = (*highest + lows[g]) / kMost;
    most_low = std::max(most_low, lows[g]), most_width = std::max(most_width, widths[g]);
  }
  const float scale = put_half(to, most_width / 63), least = put_half(to + 2, most_low / 63);
  int scales[8], leasts[8];
  if (high) std::memset(high, 0, 32);
  std::memset(nibbles, 0, 128);
  for (int g = 0; g < 8; ++g) {
    scales[g] = nearest_step(widths[g], inverse_of(scale), 0, 63);
    leasts[g] = nearest_step(lows[g], inverse_of(least), 0, 63);
    const float inverse = inverse_of(scale * float(scales[g])), low = least * float(leasts[g]);
    for (int i = 0; i < 32; ++i) {
      const int step = nearest_step(values[32 * g + i] + low, inverse, 0, kMost);
      uint8_t& byte = nibbles[g / 2 * 32 + i];
      byte = uint8_t(byte | (step & 15) << (g % 2 ? 4 : 0));
      if (high) high[i] = uint8_t(high[i] | (step >> 4) << g);
    }
  }
  put_six_bit_pairs(scales, leasts, to + 4);
}

void encode_q4_k(const float* values, uint8_t* to) { encode_with_minima<15>(values, to, nullptr, to + 16); }
void encode_q5_k(const float* values, uint8_t* to) { encode_with_minima<31>(values, to, to + 16, to + 48); }

void encode_q6_k(const float* values, uint8_t* to) {
  uint8_t *low = to, *high = to + 128, *scales = to + 192;
  // The group with the farthest value gets the scale of -128, whatever its sign, so that its end is met exactly.
  float ends[16];
  for (int g = 0; g < 16; ++g) ends[g] = farthest(values + 16 * g, 16) / -32;
  const float scale = put_half(to + 208, farthest(ends, 16) / -128), inverse_scale = inverse_of(scale);
  std::memset(low, 0, 192);
  for (int g = 0; g < 16; ++g) {
    const int group_scale = nearest_step(ends[g], inverse_scale, -128, 127);
    scales[g] = uint8_t(group_scale);
    const float inverse = inverse_of(scale * float(group_scale));
    for (int i = 16 * g; i < 16 * (g + 1); ++i) {
      const int half = i / 128, quarter = i % 128 / 32, lane = i % 32;
      const int step = 32 + nearest_step(values[i], inverse, -32, 31);
      uint8_t &four = low[half * 64 + quarter % 2 * 32 + lane], &two = high[half * 32 + lane];
      four = uint8_t(four | (step & 15) << (quarter < 2 ? 0 : 4));
      two = uint8_t(two | (step >> 4) << 2 * quarter);
    }
  }
}

template <void encode(const float*, uint8_t*)>
void encode_all(const TensorTypeFacts& facts, const float* values, int64_t count, uint8_t* to) {
  const int64_t block_values = facts.block_values, block_bytes = facts.block_bytes;
  for (int64_t i = 0; i < count; i += block_values, to += block_bytes) encode(values + i, to);
}

}  // namespace

void encode_blocks(TensorType type, const float* values, int64_t count, void* blocks) {
  const TensorTypeFacts& facts = tensor_type_facts(type);
  ASSAY_CHECK(count % facts.block_values == 0);
  auto* to = static_cast<uint8_t*>(blocks);
  switch (type) {
    case TensorType::f32:
      return encode_all<encode_f32>(facts, values, count, to);
    case TensorType::f16:
      return encode_all<encode_f16>(facts, values, count, to);
    case TensorType::bf16:
      return encode_all<encode_bf16>(facts, values, count, to);
    case TensorType::q8_0:
      return encode_all<encode_q8_0>(facts, values, count, to);
    case TensorType::q4_0:
      return encode_all<encode_q4_0>(facts, values, count, to);
    case TensorType::q4_1:
      return encode_all<encode_q4_1>(facts, values, count, to);
    case TensorType::q5_0:
      return encode_all<encode_q5_0>(facts, values, count, to);
    case TensorType::q5_1:
      return encode_all<encode_q5_1>(facts, values, count, to);
    case TensorType::q4_k:
      return encode_all<encode_q4_k>(facts, values, count, to);
    case TensorType::q5_k:
      return encode_all<encode_q5_k>(facts, values, count, to);
    case TensorType::q6_k:
      return encode_all<encode_q6_k>(facts, values, count, to);
    default:
      ASSAY_CHECK(!"a type that is not decoded");
  }
}

TensorType storable_type(TensorType wanted, int64_t row_values) {
  if (row_values % tensor_type_facts(wanted).block_values == 0) return wanted;
  if (row_values % 32 != 0) return TensorType::f16;
  switch (wanted) {
    case TensorType::q4_k:
      return TensorType::q5_0;
    case TensorType::q5_k:
      return TensorType::q5_1;
    default:
      return TensorType::q8_0;
  }
}

}  // namespace assay
