// Rows of special activations.
#include <algorithm>

#include "proof/inputs.h"
#include "proof/special_blocks.h"

namespace assay {
namespace {

double block_value(Block block, const Matmul& spec, int64_t i, Draw& draw) {
  const bool is_largest = i % kSpecialBlock == place_in_block(i / kSpecialBlock, spec.k);
  switch (block) {
    case Block::zero:
      return draw.sign() * 0.0;
    // A scale of 2 / 127 is just above a power of two, one of 1.3 / 127 is nearer to the power below it, which cannot
    // hold it.
    case Block::clipping:
      return is_largest ? draw.sign() * 1.3 : draw.number(0.3, 1);
    case Block::outlier:
      return is_largest ? draw.sign() * 1000 : draw.number(0x1p-10, 0x1p-8);
    case Block::even:  // with weights of its signs at the ends of their range no sum of integers is larger
      return draw.number(1.75, 2);
    case Block::faint:
      if (spec.a == Dtype::f16) return draw.sign() * std::ldexp(double(1 + draw.bits() % 511), -24);
      break;
    default:
      break;
  }
  return level(block, spec) * (is_largest ? draw.sign() * 2 : draw.number(0.5, 1.5));
}

/// What every class holds as it is, so that nothing but sums may err: in each block multiples of a power of two, which
/// int8 with a scale of the largest, 127 times that, has as well.
double exact_value(const Matmul& spec, int64_t i, Draw& draw) {
  constexpr int kLargest = 127;
  const int64_t block = i / kSpecialBlock;
  const bool is_largest = i % kSpecialBlock == place_in_block(block, spec.k);
  const int integer = is_largest ? kLargest : 1 + int(draw.bits() % (kLargest - 1));
  return draw.sign() * std::ldexp(double(integer), block % 2 == 0 ? -7 : -8);
}

template <typename Function>
ActivationRow activation_row(const Matmul& spec, Function value) {
  ActivationRow row;
  row.bytes.resize(size_t(dtype_bytes(spec.a, spec.k)));
  for (int64_t i = 0; i < spec.k; ++i) {
    std::byte* at = &row.bytes[size_t(dtype_bytes(spec.a, i))];
    encode_value(spec.a, value(i), at);
    row.values.push_back(decode_value(spec.a, at));
  }
  return row;
}

}  // namespace

double subnormal(Dtype dtype, Draw& draw) {
  const int bits = dtype == Dtype::f32   ? 23
                   : dtype == Dtype::f16 ? 10
                                         : 7,
            exponent = dtype == Dtype::f32   ? -149
                       : dtype == Dtype::f16 ? -24
                                             : -133;
  // Of every size alike: else the least ones would be few.
  const uint64_t largest = draw.bits() % ((uint64_t(1) << bits) - 1);
  return draw.sign() * std::ldexp(double(1 + (largest >> (draw.bits() % uint64_t(bits)))), exponent);
}

std::vector<ActivationRow> make_activations(const Matmul& spec, const SpecialShape& shape) {
  std::vector<ActivationRow> rows;
  Draw draw(1);
  const auto value = [&](Block block, int64_t i) { return block_value(block, spec, i, draw); };
  // Here and there a zero, or what stands before: who knows by one value that others are like it is found.
  double before = 0;
  const auto mixed = [&](Block block, int64_t i) {
    const bool is_kept = block == Block::even || i % kSpecialBlock == place_in_block(i / kSpecialBlock, spec.k);
    const uint64_t kind = is_kept ? 2 : draw.bits() % 8;
    return before = kind == 0 ? 0 : kind == 1 && i % kSpecialBlock > 0 ? before : value(block, i);
  };
  for (int64_t offset = 0; offset < shape.offsets; ++offset)
    rows.push_back(activation_row(spec, [&](int64_t i) { return mixed(shape.at(i, offset), i); }));
  rows.push_back(activation_row(spec, [&](int64_t i) { return exact_value(spec, i, draw); }));
  rows.push_back(activation_row(spec, [&](int64_t i) { return value(Block::zero, i); }));
  const double most = spec.a == Dtype::f16 ? 0x1p14 : kBeyondHalf;
  rows.push_back(activation_row(spec, [&](int64_t i) { return most * value(Block::plain, i); }));
  rows.back().for_half = spec.a == Dtype::f16;
  rows.push_back(activation_row(spec, [&](int64_t i) { return i == spec.k / 2 ? kInfinity : value(Block::plain, i); }));
  rows.back().for_int8 = false;
  if (spec.a == Dtype::f16) return rows;  // whose subnormals are among the faint blocks
  rows.push_back(activation_row(
      spec, [&](int64_t i) { return i / kSpecialBlock % 2 == 0 ? subnormal(spec.a, draw) : value(Block::plain, i); }));
  rows.back().for_int8 = false;
  return rows;
}

}  // namespace assay
