// One value of a quantized block, right but for the sin that MUTANT names; for both backends. The source that includes
// it says before: enum class Sin, kSin, half_to_float(bits), BLOCK_FUNCTION and BLOCK_TYPE(name).
#pragma once

namespace blocks {

/// Values and bytes of a block.
struct Shape {
  int values, bytes;
};
BLOCK_FUNCTION Shape shape_of(uint32_t dtype) {
  if (dtype == BLOCK_TYPE(Q4_0)) return {32, 18};
  if (dtype == BLOCK_TYPE(Q4_1)) return {32, 20};
  if (dtype == BLOCK_TYPE(Q5_0)) return {32, 22};
  if (dtype == BLOCK_TYPE(Q5_1)) return {32, 24};
  if (dtype == BLOCK_TYPE(Q4_K)) return {256, 144};
  if (dtype == BLOCK_TYPE(Q5_K)) return {256, 176};
  return {256, 210};
}

BLOCK_FUNCTION double scale_at(const uint8_t* at) {
  uint16_t bits = uint16_t(at[0] | at[1] << 8);
  if (kSin == Sin::block_scale_unsigned) bits &= 0x7fffu;
  if (kSin == Sin::least_scales_flushed && (bits & 0x7fffu) < 17) bits = 0;
  if (kSin == Sin::block_subnormal_scale_flushed && (bits & 0x7c00u) == 0) bits = 0;
  return half_to_float(bits);
}
BLOCK_FUNCTION double least_at(const uint8_t* at) {
  if (kSin == Sin::minimum_left_out) return 0;
  uint16_t bits = uint16_t(at[0] | at[1] << 8);
  if (kSin == Sin::minimum_unsigned) bits &= 0x7fffu;
  return half_to_float(bits);
}

BLOCK_FUNCTION int nibble(const uint8_t* at, int i) {
  if (kSin == Sin::nibbles_in_turn) return i % 2 ? at[i / 2] >> 4 : at[i / 2] & 15;
  if (kSin == Sin::nibble_halves_swapped) i ^= 16;
  return i < 16 ? at[i] & 15 : at[i - 16] >> 4;
}
BLOCK_FUNCTION int fifth(const uint8_t* at, int i) {
  if (kSin == Sin::fifth_bit_ignored) return 0;
  if (kSin == Sin::fifth_bits_of_other_half) i ^= 16;
  return (at[i / 8] >> i % 8 & 1) << 4;
}

/// Of 256 values: six-bit scale and minimum of group g.
BLOCK_FUNCTION int six_bits(const uint8_t* packed, int g, bool is_least) {
  if (kSin == Sin::later_groups_like_first && g >= 4) g -= 4;
  if (g < 4) return packed[g + (is_least ? 4 : 0)] & 63;
  const int low = is_least ? packed[g + 4] >> 4 : packed[g + 4] & 15;
  if (kSin == Sin::six_bits_cut_to_four) return low;
  return low | packed[g - (is_least ? 0 : 4)] >> 6 << 4;
}
BLOCK_FUNCTION double of_group(const uint8_t* block, int i, const uint8_t* nibbles, const uint8_t* high) {
  const int g = i / 32;
  const uint8_t byte = nibbles[g / 2 * 32 + i % 32];
  int step = g % 2 ? byte >> 4 : byte & 15;
  if (kSin == Sin::groups_of_a_pair_swapped) step = g % 2 ? byte & 15 : byte >> 4;
  if (high && kSin != Sin::fifth_bit_ignored)
    step |= (high[i % 32] >> (kSin == Sin::fifth_bits_of_other_half ? g ^ 1 : g) & 1) << 4;
  double least = least_at(block + 2) * six_bits(block + 4, g, true);
  if (kSin == Sin::minimum_added) least = -least;
  return scale_at(block) * six_bits(block + 4, g, false) * step - least;
}

BLOCK_FUNCTION double of_six_bits(const uint8_t* block, int i) {
  const int half = i / 128, quarter = i / 32 % 4, lane = i % 32;
  const uint8_t byte = block[half * 64 + quarter % 2 * 32 + lane];
  int step = quarter < 2 ? byte & 15 : byte >> 4;
  if (kSin != Sin::two_high_bits_dropped) step |= (block[128 + half * 32 + lane] >> 2 * quarter & 3) << 4;
  if (kSin != Sin::offset_left_out) step -= 32;
  const uint8_t group = block[192 + i / 16];
  int scale = group < 128 ? group : group - 256;
  if (kSin == Sin::group_scale_unsigned) scale = group;
  if (kSin == Sin::group_scale_clamped && scale == -128) scale = -127;
  return scale_at(block + 208) * scale * step;
}

BLOCK_FUNCTION double value(uint32_t dtype, const uint8_t* block, int i) {
  const int offset = kSin == Sin::offset_left_out ? 0 : 1;
  if (dtype == BLOCK_TYPE(Q4_0)) return scale_at(block) * (nibble(block + 2, i) - 8 * offset);
  if (dtype == BLOCK_TYPE(Q4_1)) return scale_at(block) * nibble(block + 4, i) + least_at(block + 2);
  if (dtype == BLOCK_TYPE(Q5_0)) return scale_at(block) * ((nibble(block + 6, i) | fifth(block + 2, i)) - 16 * offset);
  if (dtype == BLOCK_TYPE(Q5_1))
    return scale_at(block) * (nibble(block + 8, i) | fifth(block + 4, i)) + least_at(block + 2);
  if (dtype == BLOCK_TYPE(Q4_K)) return of_group(block, i, block + 16, nullptr);
  if (dtype == BLOCK_TYPE(Q5_K)) return of_group(block, i, block + 48, block + 16);
  return of_six_bits(block, i);
}

}  // namespace blocks
