// Laws of blocks: three decoders that share no code agree on any bytes, and on those of arenas without rounding.
#include "proof/block_value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "../kernels/cpu/blocks.h"
#include "model/block_decoder.h"
#include "proof/arena.h"
#include "proof/weight_rows.h"

namespace assay {
namespace {

std::vector<DtypeFacts> block_types() {
  std::vector<DtypeFacts> types;
  for (const DtypeFacts& type : all_dtypes())
    if (is_quantized(type.dtype)) types.push_back(type);
  return types;
}

/// Any bytes, but halves that are finite.
std::vector<std::byte> random_block(const DtypeFacts& type, std::mt19937_64& random) {
  std::vector<std::byte> block(static_cast<size_t>(type.block_bytes));
  for (std::byte& byte : block) byte = std::byte(random() & 0xff);
  const BlockScales at = block_scales(type.dtype);
  for (const int64_t half : {at.scale, at.least})
    if (half >= 0 && (block[size_t(half) + 1] & std::byte{0x7c}) == std::byte{0x7c})
      block[size_t(half) + 1] &= std::byte{0xbf};
  return block;
}

TEST(block_value, every_decoder_gives_the_nearest_float_whatever_the_bytes) {
  std::mt19937_64 random(3);
  for (const DtypeFacts& type : block_types()) {
    std::vector<float> values(static_cast<size_t>(type.block_values));
    for (int round = 0; round < 500; ++round) {
      const std::vector<std::byte> block = random_block(type, random);
      decode_blocks(*parse_tensor_type(type.name), block.data(), type.block_values, values.data());
      for (int64_t i = 0; i < type.block_values; ++i)
        ASSERT_EQ(values[size_t(i)], float(block_value(type.dtype, block.data(), i))) << type.name << " " << i;
      for (int64_t first = 0; first < type.block_values; first += 16) {
        float sixteen[16];
        decoder_of(uint32_t(type.dtype))(reinterpret_cast<const uint8_t*>(block.data()), first, sixteen);
        for (int64_t i = 0; i < 16; ++i)
          ASSERT_EQ(sixteen[i], values[size_t(first + i)]) << type.name << " " << first + i;
      }
    }
  }
}

TEST(block_value, sizes_are_those_of_files_and_of_kernels) {
  for (const DtypeFacts& type : block_types()) {
    const TensorTypeFacts& in_files = tensor_type_facts(*parse_tensor_type(type.name));
    EXPECT_TRUE(in_files.is_decoded) << type.name;
    EXPECT_EQ(in_files.block_values, type.block_values) << type.name;
    EXPECT_EQ(in_files.block_bytes, type.block_bytes) << type.name;
    EXPECT_EQ(block_shape(uint32_t(type.dtype)).values, type.block_values) << type.name;
    EXPECT_EQ(block_shape(uint32_t(type.dtype)).bytes, type.block_bytes) << type.name;
  }
}

// The reference takes rows of floats: what a float cannot hold it would take for its own mistake.
TEST(block_value, blocks_of_arenas_hold_floats_exactly) {
  for (const DtypeFacts& type : block_types()) {
    const InputArena arena(block_format(type.dtype), 1 << 20);
    int64_t zeros = 0, values = 0;
    for (int64_t block = 0; block < 2000; ++block)
      for (int64_t i = 0; i < type.block_values; i += type.block_values / 32, ++values) {
        const double value = block_value(type.dtype, arena.bytes().data() + block * type.block_bytes, i);
        ASSERT_EQ(double(float(value)), value) << type.name << " block " << block << " value " << i;
        ASSERT_LT(std::fabs(value), 4) << type.name;
        zeros += value == 0;
      }
    EXPECT_LT(double(zeros), 0.2 * double(values)) << type.name;
  }
}

/// How often each step of a field occurs over an arena's blocks.
TEST(block_value, blocks_of_arenas_have_a_quantizers_extremes_and_signs) {
  for (const DtypeFacts& type : block_types()) {
    if (type.dtype == Dtype::q8_0) continue;
    const InputArena arena(block_format(type.dtype), 1 << 20);
    const BlockScales at = block_scales(type.dtype);
    int negative = 0, positive = 0, met = 0;
    for (int64_t block = 0; block < 1000; ++block) {
      const std::byte* bytes = arena.bytes().data() + block * type.block_bytes;
      const bool sign = (bytes[at.scale + 1] & std::byte{0x80}) != std::byte{0};
      (sign ? negative : positive) += 1;
      double largest = 0;
      for (int64_t i = 0; i < type.block_values; ++i)
        largest = std::max(largest, std::fabs(block_value(type.dtype, bytes, i)));
      met += largest > 0.05;
    }
    EXPECT_EQ(met, 1000) << type.name;
    EXPECT_GT(positive, 200) << type.name;
    if (at.least < 0)
      EXPECT_GT(negative, 200) << type.name << " has scales of both signs";
    else
      EXPECT_EQ(negative, 0) << type.name << " has minima beside scales that are not negative";
  }
}

}  // namespace
}  // namespace assay
