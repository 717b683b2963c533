// Zero, subnormal and negative weights and scales, and where they lie in a row.
#include "proof/some_special.h"

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "proof/block_value.h"
#include "proof/inputs.h"

namespace assay {
namespace {

constexpr uint64_t kOneOf = 8;

/// Scale and minimum alike: of two kinds of halves the sum of their products might be no float.
void make_block_special(Dtype dtype, std::byte* block, uint64_t bits) {
  enum Kind { turned, zero, subnormal, least_integer, kKinds };
  const auto kind = Kind(bits % kKinds);
  const BlockScales at = block_scales(dtype);
  for (const int64_t half : {at.scale, at.least}) {
    if (half < 0) continue;
    uint16_t value;
    std::memcpy(&value, block + half, 2);
    if (kind == turned) value ^= 0x8000;
    if (kind == zero) value = uint16_t(bits >> 8 & 0x8000);
    if (kind == subnormal) value = uint16_t((value & 0x8000) | (bits >> 16 & 0x3ff) | 1);
    std::memcpy(block + half, &value, 2);
  }
  if (kind == least_integer && dtype == Dtype::q8_0) block[2 + int64_t(bits >> 32 & 31)] = std::byte{0x80};
}

}  // namespace

void make_some_special(Dtype dtype, std::byte* row, int64_t count, uint64_t drawn, bool may_be_large) {
  const DtypeFacts& type = dtype_facts(dtype);
  for (int64_t i = 0; i < count; i += type.block_values) {
    const uint64_t bits = random_bits(drawn ^ random_bits(uint64_t(i)));
    std::byte* const at = row + dtype_bytes(dtype, i);
    if (bits % kOneOf != 0) continue;
    if (is_quantized(dtype)) {
      make_block_special(dtype, at, bits / kOneOf);
    } else {
      const uint64_t kind = bits / kOneOf % 8;
      const double size = kind % 4 == 0               ? 0
                          : kind == 1 && may_be_large ? std::ldexp(1 + double(bits >> 16 & 0x3f) / 64, 4)
                                                      : std::ldexp(double(bits >> 16 & 0x3ff), -24);
      encode_value(dtype, bits >> 40 & 1 ? -size : size, at);
    }
  }
}

}  // namespace assay
