// Blocks as what they are by definition: a string of bits, of which each value has its own. block_decoder.cpp goes
// through a block in the order of its bytes, in float; here a value asks for its bits, in double.
#include "proof/block_value.h"

#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

int byte_at(const std::byte* block, int64_t at) { return std::to_integer<int>(block[at]); }
int signed_byte_at(const std::byte* block, int64_t at) {
  const int value = byte_at(block, at);
  return value < 128 ? value : value - 256;
}
/// `count` bits from bit `first` of the block on, the lowest bit of its first byte being bit 0.
int bits_at(const std::byte* block, int64_t first, int count) {
  int value = 0;
  for (int bit = count - 1; bit >= 0; --bit)
    value = 2 * value + (byte_at(block, (first + bit) / 8) >> (first + bit) % 8) % 2;
  return value;
}

/// Sign, five bits of exponent, ten of mantissa; blocks of real models hold no infinity.
double half_at(const std::byte* block, int64_t at) {
  const int mantissa = bits_at(block, 8 * at, 10), exponent = bits_at(block, 8 * at + 10, 5);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits_at(block, 8 * at + 15, 1) ? -magnitude : magnitude;
}

/// The four low bits of value i of 32: the values of one half lie in the low nibbles, of the other in the high ones.
int nibble(const std::byte* block, int64_t at, int64_t i) {
  return bits_at(block, 8 * at + 8 * (i % 16) + i / 16 * 4, 4);
}
int fifth(const std::byte* block, int64_t at, int64_t i) { return 16 * bits_at(block, 8 * at + i, 1); }

/// Six-bit step `which` (0: scale, 1: minimum) of group g: twelve bytes, see block_decoder.cpp.
int six_bits(const std::byte* block, int64_t at, int which, int64_t g) {
  if (g < 4) return bits_at(block, 8 * (at + g + 4 * which), 6);
  return bits_at(block, 8 * (at + 8 + g - 4) + 4 * which, 4) + 16 * bits_at(block, 8 * (at + g - 4 + 4 * which) + 6, 2);
}

double with_minimum(const std::byte* block, int64_t g, int step) {
  return half_at(block, 0) * six_bits(block, 4, 0, g) * step - half_at(block, 2) * six_bits(block, 4, 1, g);
}
/// Of 256 values two groups of 32 share 32 bytes.
int nibble_of_256(const std::byte* block, int64_t at, int64_t i) {
  return bits_at(block, 8 * (at + i / 64 * 32 + i % 32) + i / 32 % 2 * 4, 4);
}

double q6_k(const std::byte* block, int64_t i) {
  const int64_t half = i / 128, quarter = i / 32 % 4, lane = i % 32;
  const int low = bits_at(block, 8 * (64 * half + 32 * (quarter % 2) + lane) + quarter / 2 * 4, 4);
  const int high = bits_at(block, 8 * (128 + 32 * half + lane) + 2 * quarter, 2);
  return half_at(block, 208) * signed_byte_at(block, 192 + i / 16) * (low + 16 * high - 32);
}

}  // namespace

double block_value(Dtype dtype, const std::byte* block, int64_t i) {
  switch (dtype) {
    case Dtype::q8_0:
      return half_at(block, 0) * signed_byte_at(block, 2 + i);
    case Dtype::q4_0:
      return half_at(block, 0) * (nibble(block, 2, i) - 8);
    case Dtype::q4_1:
      return half_at(block, 0) * nibble(block, 4, i) + half_at(block, 2);
    case Dtype::q5_0:
      return half_at(block, 0) * (nibble(block, 6, i) + fifth(block, 2, i) - 16);
    case Dtype::q5_1:
      return half_at(block, 0) * (nibble(block, 8, i) + fifth(block, 4, i)) + half_at(block, 2);
    case Dtype::q4_k:
      return with_minimum(block, i / 32, nibble_of_256(block, 16, i));
    case Dtype::q5_k:
      return with_minimum(block, i / 32,
                          nibble_of_256(block, 48, i) + 16 * bits_at(block, 8 * (16 + i % 32) + i / 32, 1));
    case Dtype::q6_k:
      return q6_k(block, i);
    default:
      break;
  }
  ASSAY_CHECK(!"a type without blocks");
  return 0;
}

BlockScales block_scales(Dtype dtype) {
  switch (dtype) {
    case Dtype::q4_1:
    case Dtype::q5_1:
      return {0, 2};
    case Dtype::q4_k:
    case Dtype::q5_k:
      return {0, 2, 4, 12};
    case Dtype::q6_k:
      return {208, -1, 192, 16};
    default:
      return {0};
  }
}

}  // namespace assay
