// Rows of special weights, by what they are made to show.
#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "model/block_encoder.h"
#include "proof/block_type.h"
#include "proof/block_value.h"
#include "proof/inputs.h"
#include "proof/special_blocks.h"

namespace assay {
namespace {

constexpr double kNearRange = 50'000;   // a sum that f16 still holds
constexpr double kTiny = 7e-7;          // a sum that f16 still holds, as a subnormal
constexpr double kMostWeight = 30'000;  // of near_range: f16 holds no more
// Times a large activation: f16 holds such a sum, but no such weight; other types hold less.
constexpr double kTinyWeight = 0x1p-24, kTiniestWeight = 0x1p-60;

/// What a row of weights is made to show. Those that show most come first: of few outputs they are all there is.
enum class Kind {
  balanced,
  near_range,
  plain,
  where_small,
  negative,
  subnormals,
  zeros,
  extreme_integers,
  tiny_sums,
  where_faint,
  where_large,
  zero_blocks,
  where_outlier,
  beside_outlier,
  infinite,
  last_alone
};
constexpr std::string_view kNames[] = {"weights as large as A's blocks are small",
                                       "a sum near the range",
                                       "weights for A's blocks near 1 alone",
                                       "weights for A's blocks near 0.001 alone",
                                       "negative weights",
                                       "subnormal weights or scales",
                                       "zero weights or scales",
                                       "weights of -128 or 1,000 times their neighbours",
                                       "a sum below 1e-6",
                                       "weights for A's faintest blocks alone",
                                       "weights for A's blocks near 1,000 alone",
                                       "every second block zero",
                                       "weights for a block with an outlier",
                                       "weights beside an outlier alone",
                                       "an infinite weight",
                                       "the last weight alone"};
constexpr int64_t kKinds = int64_t(std::size(kNames));

/// Makes the rows of B of one spec.
class WeightMaker {
 public:
  WeightMaker(const Matmul& spec, const SpecialShape& shape, const std::vector<ActivationRow>& activations)
      : spec_(spec), shape_(shape), activations_(activations) {}

  WeightRow make(int64_t index) {
    kind_ = Kind(index % kKinds);
    seed_ = index / kKinds;
    offset_ = seed_ % shape_.offsets;
    a_ = &activations_[size_t(offset_)].values;
    draw_ = Draw(uint64_t(2 + index));
    near_one_ = small_ = 0;
    first_small_ = -1;
    for (int64_t i = 0; i < spec_.k; ++i) {
      if (near_one(block(i))) near_one_ += std::fabs((*a_)[size_t(i)]);
      if (block(i) == Block::small && first_small_ < 0) first_small_ = i / kSpecialBlock;
      if (i / kSpecialBlock == first_small_) small_ += std::fabs((*a_)[size_t(i)]);
    }
    infinite_at_ = -1;
    if (kind_ == Kind::infinite && seed_ < 2 && !is_quantized(spec_.b))
      for (int64_t i = spec_.k - 1; i >= spec_.k / 2; --i)
        if (near_one(block(i))) infinite_at_ = i;
    WeightRow row;
    row.what = kNames[size_t(kind_)];
    row.is_random = kind_ == Kind::balanced || kind_ == Kind::plain || kind_ == Kind::where_small ||
                    kind_ == Kind::where_large || kind_ == Kind::negative || kind_ == Kind::zero_blocks;
    if (spec_.b == Dtype::q8_0)
      quantized(row);
    else if (is_quantized(spec_.b))
      encoded(row);
    else
      dense(row);
    return row;
  }

 private:
  Block block(int64_t i) const { return shape_.at(i, offset_); }
  bool is_outlier(int64_t i) const { return i % kSpecialBlock == place_in_block(i / kSpecialBlock, spec_.k); }

  /// Of the weights of a block: 0 where they are all zero.
  double magnitude(int64_t i) const {
    const Block b = block(i);
    const double balanced = std::min(1 / level(b, spec_), 0x1p12);
    switch (kind_) {
      case Kind::balanced:
        return balanced;
      case Kind::last_alone:
        return balanced;
      case Kind::zero_blocks:
        return i / kSpecialBlock % 2 == 0 ? balanced : 0;
      case Kind::near_range:
        return near_one(b) ? std::min(kNearRange / near_one_ / alpha(), kMostWeight) : 0;
      case Kind::where_small:
        return b == Block::small;
      case Kind::tiny_sums:
        return i / kSpecialBlock == first_small_ ? kTiny / small_ / alpha() : 0;
      case Kind::where_large:
        return b == Block::large ? (seed_ % 2 && is_wide() ? tiny_weight() : 0x1p-6) : 0;
      case Kind::where_faint:
        return b == Block::faint ? (is_wide() ? kBeyondHalf : 0x1p14) : 0;
      case Kind::where_outlier:
      case Kind::beside_outlier:
        return b == Block::outlier ? 0x1p-6 : 0;
      case Kind::subnormals:
        if (seed_ % 4 == 1 && spec_.d != Dtype::f16) return b == Block::faint ? 1 : 0;  // products of both
        return near_one(b) || b == Block::large ? 1 : 0;
      case Kind::zeros:
        return 0;
      case Kind::plain:
      case Kind::negative:
      case Kind::extreme_integers:
      case Kind::infinite:
        return near_one(b);
    }
    return 0;
  }
  /// Whether weights may be larger and smaller than any half.
  bool is_wide() const { return spec_.b == Dtype::f32 || spec_.b == Dtype::bf16; }
  double tiny_weight() const { return spec_.d == Dtype::f16 ? kTinyWeight : kTiniestWeight; }
  double alpha() const { return spec_.alpha == 0 ? 1 : std::fabs(spec_.alpha); }

  /// A weight over its block's magnitude, in [-1, 1].
  double share(int64_t i) {
    const double random = draw_.number(0.25, 1), a_sign = (*a_)[size_t(i)] < 0 ? -1 : 1;
    if (kind_ == Kind::near_range || kind_ == Kind::tiny_sums) return seed_ % 2 ? -a_sign : a_sign;
    if (kind_ == Kind::negative) return -std::fabs(random);
    if (kind_ == Kind::last_alone && i != spec_.k - 1) return 0;
    if (kind_ == Kind::beside_outlier && is_outlier(i)) return 0;
    return random;
  }

  double dense_value(int64_t i) {
    const double m = magnitude(i), v = share(i);
    if (i == infinite_at_) return v < 0 ? -kInfinity : kInfinity;
    if (kind_ == Kind::subnormals && m != 0) return subnormal(spec_.b, draw_);
    if (kind_ == Kind::extreme_integers && !is_outlier(i)) return m * v * 0x1p-10;
    return m * v;
  }
  void dense(WeightRow& row) {
    row.bytes.resize(size_t(dtype_bytes(spec_.b, spec_.k)));
    for (int64_t i = 0; i < spec_.k; ++i) {
      std::byte* at = &row.bytes[size_t(dtype_bytes(spec_.b, i))];
      encode_value(spec_.b, dense_value(i), at);
      row.values.push_back(decode_value(spec_.b, at));
    }
  }

  float scale(int64_t first) {
    if (kind_ == Kind::subnormals && magnitude(first) != 0) return float(std::fabs(subnormal(Dtype::f16, draw_)));
    if (kind_ == Kind::zeros) return seed_ % 2 ? 0.01f : draw_.sign() < 0 ? -0.0f : 0.0f;
    const double scale = magnitude(first) / 127;
    return float(kind_ == Kind::negative || seed_ % 4 == 3 ? -scale : scale);
  }
  int integer(int64_t i) {
    const double v = share(i);
    if (kind_ == Kind::zeros && seed_ % 2) return 0;
    if (kind_ == Kind::extreme_integers) return (*a_)[size_t(i)] > 0 ? -128 : 127;
    if (kind_ == Kind::negative) return int(std::lround(std::fabs(v) * 127));
    return int(std::lround(v * 127));
  }
  void quantized(WeightRow& row) {
    for (int64_t first = 0; first < spec_.k; first += kSpecialBlock) {
      const uint16_t bits = float_to_half(scale(first));
      const auto* half = reinterpret_cast<const std::byte*>(&bits);
      std::vector<std::byte>& scales = spec_.split_q8() ? row.scales : row.bytes;
      scales.insert(scales.end(), half, half + 2);
      const double sign =
          bits & 0x8000 && kind_ != Kind::negative ? -1 : 1;  // so that the weights are those of other types
      for (int64_t i = first; i < first + kSpecialBlock; ++i) {
        const int q = std::clamp(kind_ == Kind::extreme_integers ? integer(i) : int(sign) * integer(i), -128, 127);
        row.bytes.push_back(std::byte(uint8_t(int8_t(q))));
        row.values.push_back(double(half_to_float(bits)) * q);
      }
    }
  }

  /// What a dense type would hold, as near as blocks can, by the quantizer that fills arenas. Then what no quantizer
  /// makes.
  void encoded(WeightRow& row) {
    const DtypeFacts& type = dtype_facts(spec_.b);
    const bool turned = kind_ == Kind::negative || (seed_ % 4 == 3 && kind_ != Kind::extreme_integers);
    std::vector<float> values;
    for (int64_t i = 0; i < spec_.k; ++i) values.push_back(float(turned ? -encodable(i) : encodable(i)));
    row.bytes.resize(size_t(dtype_bytes(spec_.b, spec_.k)));
    encode_blocks(block_type(type.dtype), values.data(), spec_.k, row.bytes.data());
    for (int64_t first = 0; first < spec_.k; first += type.block_values) {
      std::byte* block = &row.bytes[size_t(dtype_bytes(spec_.b, first))];
      bool is_used = false;
      for (int64_t i = first; i < first + type.block_values; ++i) is_used |= magnitude(i) != 0;
      make_special(block, turned, is_used);
      for (int64_t i = 0; i < type.block_values; ++i) row.values.push_back(block_value(spec_.b, block, i));
    }
  }
  double encodable(int64_t i) {
    if (kind_ == Kind::zeros) return seed_ % 2 ? 0 : share(i);
    if (kind_ == Kind::extreme_integers) return (*a_)[size_t(i)] > 0 ? -magnitude(i) : magnitude(i);
    return magnitude(i) * share(i);
  }
  /// Halves of other signs and sizes than a quantizer's; groups' scales and minima at every end of their bits.
  void make_special(std::byte* block, bool turned, bool is_used) {
    const BlockScales at = block_scales(spec_.b);
    for (const int64_t half : {at.scale, at.least}) {
      if (half < 0) continue;
      uint16_t bits;
      std::memcpy(&bits, block + half, 2);
      if (turned) bits ^= 0x8000;  // of scale and minimum: the values change their sign
      if (kind_ == Kind::subnormals && is_used) bits = float_to_half(float(subnormal(Dtype::f16, draw_)));
      if (kind_ == Kind::zeros) bits = seed_ % 2 == 0 ? (draw_.sign() < 0 ? 0x8000 : 0) : half == at.scale ? 0x211f : 0;
      std::memcpy(block + half, &bits, 2);
    }
    if (kind_ != Kind::extreme_integers || at.groups < 0 || seed_ % 4 == 0) return;
    for (int64_t i = at.groups; i < at.groups + at.group_bytes; ++i)
      block[i] = seed_ % 4 == 1 ? std::byte{0xff} : seed_ % 4 == 2 ? std::byte(draw_.bits() & 0xff) : std::byte{0x80};
  }

  const Matmul& spec_;
  const SpecialShape& shape_;
  const std::vector<ActivationRow>& activations_;
  Kind kind_ = Kind::balanced;
  int64_t seed_ = 0, offset_ = 0, infinite_at_ = -1, first_small_ = -1;
  double near_one_ = 0, small_ = 0;  // Σ |a| of all blocks near 1, and of the first small one
  const std::vector<double>* a_ = nullptr;
  Draw draw_{0};
};

}  // namespace

WeightRow make_weights(const Matmul& spec, const SpecialShape& shape, const std::vector<ActivationRow>& activations,
                       int64_t index) {
  return WeightMaker(spec, shape, activations).make(index);
}

}  // namespace assay
