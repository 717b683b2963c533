// Rows of special values and their products.
#include "probe/special_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/half.h"
#include "probe/inputs.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 32;
constexpr int64_t kDistinct = 128;      // rows of B; they repeat
constexpr double kNearRange = 50'000;   // a sum that f16 still holds
constexpr double kTiny = 7e-7;          // a sum that f16 still holds, as a subnormal
constexpr double kMostWeight = 30'000;  // of near_range: f16 holds no more
constexpr double kLeastNormal = 0x1p-126;
constexpr double kHalfSubnormal = 0x1p-25;  // half of f16's least number
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What a block of 32 activations is like: neighbours differ by 1,000 and more.
enum class Block { plain, small, clipping, large, zero, faint, outlier };
constexpr Block kCycle[] = {Block::plain, Block::small, Block::clipping, Block::large,
                            Block::plain, Block::zero,  Block::faint,    Block::outlier};
constexpr int64_t kCycleLength = int64_t(std::size(kCycle));
constexpr int64_t kLargestAt = 11, kOutlierAt = 7;  // in a block

/// Short rows hold a few of the cycle's blocks, so that it takes several rows to show all.
struct Shape {
  int64_t k, blocks = (k + kBlock - 1) / kBlock,
             offsets = blocks >= kCycleLength ? 1 : (kCycleLength + blocks - 1) / blocks;
  Block at(int64_t i, int64_t offset) const { return kCycle[(i / kBlock + offset * blocks) % kCycleLength]; }
};

double level(Block block, Dtype a) {
  switch (block) {
    case Block::small:
      return 0x1p-10;
    case Block::large:
    case Block::outlier:
      return 0x1p10;
    case Block::faint:
      return a == Dtype::f16 ? 0x1p-16 : 0x1p-60;
    default:
      return 1;
  }
}

/// Random numbers of one row.
class Draw {
 public:
  explicit Draw(uint64_t stream) : next_(stream << 32) {}
  uint64_t bits() { return random_bits(next_++); }
  /// In [low, high), with a full mantissa, of either sign.
  double number(double low, double high) {
    const uint64_t b = bits();
    const double magnitude = low + (high - low) * double(b >> 11) * 0x1p-53;
    return b & 1 ? -magnitude : magnitude;
  }
  double sign() { return bits() & 1 ? -1 : 1; }

 private:
  uint64_t next_;
};

double block_value(Block block, Dtype a, int64_t place, int64_t length, Draw& draw) {
  const bool is_largest = place == std::min(kLargestAt, length - 1);
  switch (block) {
    case Block::zero:
      return draw.sign() * 0.0;
    // A scale of 2 / 127 is just above a power of two, one of 1.3 / 127 is nearer to the power below it, which cannot
    // hold it.
    case Block::clipping:
      return is_largest ? draw.sign() * 1.3 : draw.number(0.3, 1);
    case Block::outlier:
      return place == std::min(kOutlierAt, length - 1) ? draw.sign() * 1000 : draw.number(0x1p-10, 0x1p-8);
    case Block::faint:
      if (a == Dtype::f16) return draw.sign() * std::ldexp(double(1 + draw.bits() % 511), -24);
      break;
    default:
      break;
  }
  return level(block, a) * (is_largest ? draw.sign() * 2 : draw.number(0.5, 1.5));
}

double subnormal(Dtype dtype, Draw& draw) {
  const int bits = dtype == Dtype::f32   ? 23
                   : dtype == Dtype::f16 ? 10
                                         : 7,
            exponent = dtype == Dtype::f32   ? -149
                       : dtype == Dtype::f16 ? -24
                                             : -133;
  return draw.sign() * std::ldexp(double(1 + draw.bits() % ((uint64_t(1) << bits) - 1)), exponent);
}

template <typename Function>
ActivationRow activation_row(const Spec& spec, Function value) {
  ActivationRow row;
  row.bytes.resize(size_t(dtype_bytes(spec.a, spec.k)));
  for (int64_t i = 0; i < spec.k; ++i) {
    std::byte* at = &row.bytes[size_t(dtype_bytes(spec.a, i))];
    encode_value(spec.a, value(i), at);
    row.values.push_back(decode_value(spec.a, at));
  }
  return row;
}

std::vector<ActivationRow> make_activations(const Spec& spec, const Shape& shape) {
  std::vector<ActivationRow> rows;
  Draw draw(1);
  const auto value = [&](Block block, int64_t i) {
    return block_value(block, spec.a, i % kBlock, std::min(kBlock, spec.k - i / kBlock * kBlock), draw);
  };
  for (int64_t offset = 0; offset < shape.offsets; ++offset)
    rows.push_back(activation_row(spec, [&](int64_t i) { return value(shape.at(i, offset), i); }));
  rows.push_back(activation_row(spec, [&](int64_t i) { return value(Block::zero, i); }));
  rows.push_back(activation_row(spec, [&](int64_t i) { return i == spec.k / 2 ? kInfinity : value(Block::plain, i); }));
  rows.back().for_int8 = false;
  if (spec.a == Dtype::f16) return rows;  // whose subnormals are among the faint blocks
  rows.push_back(activation_row(
      spec, [&](int64_t i) { return i / kBlock % 2 == 0 ? subnormal(spec.a, draw) : value(Block::plain, i); }));
  rows.back().for_int8 = false;
  return rows;
}

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

bool near_one(Block block) { return block == Block::plain || block == Block::clipping; }

/// Makes the rows of B of one spec.
class WeightMaker {
 public:
  WeightMaker(const Spec& spec, const Shape& shape, const std::vector<ActivationRow>& activations)
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
      if (block(i) == Block::small && first_small_ < 0) first_small_ = i / kBlock;
      if (i / kBlock == first_small_) small_ += std::fabs((*a_)[size_t(i)]);
    }
    infinite_at_ = -1;
    if (kind_ == Kind::infinite && seed_ < 2 && spec_.b != Dtype::q8_0)
      for (int64_t i = spec_.k - 1; i >= spec_.k / 2; --i)
        if (near_one(block(i))) infinite_at_ = i;
    WeightRow row;
    row.what = kNames[size_t(kind_)];
    row.is_random = kind_ == Kind::balanced || kind_ == Kind::plain || kind_ == Kind::where_small ||
                    kind_ == Kind::where_large || kind_ == Kind::negative || kind_ == Kind::zero_blocks;
    if (spec_.b == Dtype::q8_0)
      quantized(row);
    else
      dense(row);
    return row;
  }

 private:
  Block block(int64_t i) const { return shape_.at(i, offset_); }

  /// Of the weights of a block: 0 where they are all zero.
  double magnitude(int64_t i) const {
    const Block b = block(i);
    const double balanced = std::min(1 / level(b, spec_.a), 0x1p12);
    switch (kind_) {
      case Kind::balanced:
        return balanced;
      case Kind::last_alone:
        return balanced;
      case Kind::zero_blocks:
        return i / kBlock % 2 == 0 ? balanced : 0;
      case Kind::near_range:
        return near_one(b) ? std::min(kNearRange / near_one_ / alpha(), kMostWeight) : 0;
      case Kind::where_small:
        return b == Block::small;
      case Kind::tiny_sums:
        return i / kBlock == first_small_ ? kTiny / small_ / alpha() : 0;
      case Kind::where_large:
        return b == Block::large ? 0x1p-6 : 0;
      case Kind::where_faint:
        return b == Block::faint ? 0x1p10 : 0;
      case Kind::where_outlier:
      case Kind::beside_outlier:
        return b == Block::outlier ? 0x1p-6 : 0;
      case Kind::subnormals:
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
  double alpha() const { return spec_.alpha == 0 ? 1 : std::fabs(spec_.alpha); }

  /// A weight over its block's magnitude, in [-1, 1].
  double share(int64_t i) {
    const double random = draw_.number(0.25, 1), a_sign = (*a_)[size_t(i)] < 0 ? -1 : 1;
    if (kind_ == Kind::near_range || kind_ == Kind::tiny_sums) return seed_ % 2 ? -a_sign : a_sign;
    if (kind_ == Kind::negative) return -std::fabs(random);
    if (kind_ == Kind::last_alone && i != spec_.k - 1) return 0;
    if (kind_ == Kind::beside_outlier && i % kBlock == kOutlierAt) return 0;
    return random;
  }

  double dense_value(int64_t i) {
    const double m = magnitude(i), v = share(i);
    if (i == infinite_at_) return v < 0 ? -kInfinity : kInfinity;
    if (kind_ == Kind::subnormals && m != 0) return subnormal(spec_.b, draw_);
    if (kind_ == Kind::extreme_integers && i % kBlock != kOutlierAt) return m * v * 0x1p-10;
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
    for (int64_t first = 0; first < spec_.k; first += kBlock) {
      const uint16_t bits = float_to_half(scale(first));
      const auto* half = reinterpret_cast<const std::byte*>(&bits);
      std::vector<std::byte>& scales = spec_.split_q8() ? row.scales : row.bytes;
      scales.insert(scales.end(), half, half + 2);
      const double sign =
          bits & 0x8000 && kind_ != Kind::negative ? -1 : 1;  // so that the weights are those of other types
      for (int64_t i = first; i < first + kBlock; ++i) {
        const int q = std::clamp(kind_ == Kind::extreme_integers ? integer(i) : int(sign) * integer(i), -128, 127);
        row.bytes.push_back(std::byte(uint8_t(int8_t(q))));
        row.values.push_back(double(half_to_float(bits)) * q);
      }
    }
  }

  const Spec& spec_;
  const Shape& shape_;
  const std::vector<ActivationRow>& activations_;
  Kind kind_ = Kind::balanced;
  int64_t seed_ = 0, offset_ = 0, infinite_at_ = -1, first_small_ = -1;
  double near_one_ = 0, small_ = 0;  // Σ |a| of all blocks near 1, and of the first small one
  const std::vector<double>* a_ = nullptr;
  Draw draw_{0};
};

bool may_be_flushed(double x) { return x != 0 && std::fabs(x) < kLeastNormal; }

SpecialProduct multiply(const std::vector<double>& a, const std::vector<double>& b) {
  SpecialProduct result;
  double variance = 0;
  for (size_t first = 0; first < a.size(); first += kBlock) {
    double largest = 0, squares = 0, sum = 0;
    for (size_t i = first; i < std::min(a.size(), first + kBlock); ++i) {
      const double term = a[i] * b[i];
      sum += term;
      result.magnitude += std::fabs(term);
      result.squares += term * term;
      if (may_be_flushed(a[i]) || may_be_flushed(b[i]) || may_be_flushed(term)) result.flushed += std::fabs(term);
      largest = std::max(largest, std::fabs(a[i]));
      squares += b[i] * b[i];
    }
    result.product += sum;
    result.weights += squares;
    const double scale = largest / 127;
    variance += scale * scale / 12 * squares;
    if (scale > 0) result.of_scales += std::fabs(sum) * std::min(1.0, 0x1p-11 + kHalfSubnormal / scale);
  }
  result.deviation = std::sqrt(variance);
  return result;
}

}  // namespace

SpecialRows::SpecialRows(const Spec& spec) {
  const Shape shape{spec.k};
  activations_ = make_activations(spec, shape);
  WeightMaker maker(spec, shape, activations_);
  const int64_t distinct = std::min(kDistinct, spec.batch * spec.n);
  for (int64_t i = 0; i < distinct; ++i) weights_.push_back(maker.make(i));
  for (const ActivationRow& a : activations_)
    for (const WeightRow& b : weights_) products_.push_back(multiply(a.values, b.values));
}

}  // namespace assay
