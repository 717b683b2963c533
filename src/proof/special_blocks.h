// What rows of special values are drawn of: blocks of 32 activations, each unlike its neighbours; random numbers.
#pragma once
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>

#include "proof/arena.h"
#include "proof/special_rows.h"

namespace assay {

inline constexpr int64_t kSpecialBlock = 32;
inline constexpr double kBeyondHalf = 0x1p17;  // f16 ends before
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What a block of 32 activations is like: neighbours differ by 1,000 and more.
enum class Block { plain, small, clipping, large, zero, faint, outlier, even };
inline constexpr Block kCycle[] = {Block::plain, Block::small, Block::clipping, Block::large,
                                   Block::even,  Block::zero,  Block::faint,    Block::outlier};
inline constexpr int64_t kCycleLength = int64_t(std::size(kCycle));

/// Where in a block of a row of k its largest value stands, or its outlier: another place in each, ends first.
inline int64_t place_in_block(int64_t block, int64_t k) {
  constexpr int64_t kPlaces[] = {31, 0, 16, 15, 8, 7, 24, 23};
  const int64_t length = k - block * kSpecialBlock < kSpecialBlock ? k - block * kSpecialBlock : kSpecialBlock,
                place = kPlaces[(block + block / kCycleLength) % 8];
  return place < length ? place : length - 1;
}

/// Short rows hold a few of the cycle's blocks, so that it takes several rows to show all.
struct SpecialShape {
  int64_t k, blocks = (k + kSpecialBlock - 1) / kSpecialBlock,
             offsets = blocks >= kCycleLength ? 1 : (kCycleLength + blocks - 1) / blocks;
  Block at(int64_t i, int64_t offset) const { return kCycle[(i / kSpecialBlock + offset * blocks) % kCycleLength]; }
};

/// What a block's activations are about. Faint ones are as small as an output of D's type still shows.
inline double level(Block block, const Matmul& spec) {
  switch (block) {
    case Block::small:
      return 0x1p-13;
    case Block::large:
    case Block::outlier:
      return 0x1p10;
    case Block::faint:
      return spec.a == Dtype::f16 ? 0x1p-16 : spec.d == Dtype::f16 ? 0x1p-24 : 0x1p-60;
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

/// A subnormal number of a type, of any of its sizes.
double subnormal(Dtype dtype, Draw& draw);
inline bool near_one(Block block) { return block == Block::plain || block == Block::clipping || block == Block::even; }

/// Those that an int8 scale can be found for come first.
std::vector<ActivationRow> make_activations(const Matmul& spec, const SpecialShape& shape);
/// Row `index` of as many as there may be, each another one.
WeightRow make_weights(const Matmul& spec, const SpecialShape& shape, const std::vector<ActivationRow>& activations,
                       int64_t index);

}  // namespace assay
