// Laws of the weight decoders: bit for bit what ggml's reference computes, on random blocks and on the worst ones.
#include "model/block_decoder.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "text_lines.h"

namespace assay {
namespace {

constexpr int64_t kValues = 4096 * 256;

/// A small generator that is written down in full, so that other programs can make the same blocks.
struct Lcg {
  uint64_t state = 1;
  uint32_t next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return uint32_t(state >> 33);
  }
};

/// Random bytes; every second block is made of few byte values, where signs, zeros and largest values meet.
std::vector<uint8_t> blocks_of(const TensorTypeFacts& facts) {
  std::vector<uint8_t> bytes(size_t(kValues / facts.block_values * facts.block_bytes));
  constexpr uint8_t kOdd[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0x3c, 0x7b, 0xfb,
                              0x0f, 0xf0, 0x40, 0xc0, 0x3f, 0x04, 0x84, 0x7c};
  Lcg random;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint32_t drawn = random.next();
    bytes[i] = i / size_t(facts.block_bytes) % 2 ? kOdd[drawn % 16] : uint8_t(drawn >> 8);
  }
  return bytes;
}

/// All floats; a NaN is a NaN, whatever its bits.
std::string digest(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    const uint32_t bits = value != value ? 0x7fc00000u : std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes += char(bits >> shift);
  }
  return hash_hex(bytes);
}

struct Known {
  TensorType type;
  const char* digest;
};

TEST(block_decoder, every_type_gives_the_bits_of_the_reference) {
  // Digests of what ggml's dequantize_row_* made of the same blocks (commit d99724f2b141, built without contraction).
  const Known known[] = {
      {TensorType::f32, "5beb60630749eee5d978034ab694ef8d"},  {TensorType::f16, "a16000226e2a4c3f91ba1b76f4fa77f9"},
      {TensorType::bf16, "1877111fe8a8300fabde99a80f5256f7"}, {TensorType::q8_0, "f05a8a8470dbdd63ba40151196c1482d"},
      {TensorType::q4_0, "85702c160a086b19814435a5780689a6"}, {TensorType::q4_1, "349d93cf578506cdc59e5ac59d12b162"},
      {TensorType::q5_0, "da9d648c20fc319cb6f556891239f97e"}, {TensorType::q5_1, "4b749f51512b17eb0fb7b1bb4eb54bd3"},
      {TensorType::q4_k, "da26da481dd4c05b62042a86db9271e3"}, {TensorType::q5_k, "e627db21647208815b62f627733fc81c"},
      {TensorType::q6_k, "ef07e22b4565508892f8dd5284f3d6d9"}};
  for (const Known& each : known) {
    const TensorTypeFacts& facts = tensor_type_facts(each.type);
    const std::vector<uint8_t> blocks = blocks_of(facts);
    std::vector<float> values(kValues);
    decode_blocks(each.type, blocks.data(), kValues, values.data());
    EXPECT_EQ(digest(values), each.digest) << facts.name;
  }
}

TEST(block_decoder, all_half_patterns_are_values) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint16_t pattern = uint16_t(bits);
    float half = 0, brain = 0;
    decode_blocks(TensorType::f16, &pattern, 1, &half);
    decode_blocks(TensorType::bf16, &pattern, 1, &brain);
    const int exponent = int(bits >> 10 & 31), mantissa = int(bits & 1023);
    const double magnitude = exponent == 31  ? (mantissa ? std::nan("") : HUGE_VAL)
                             : exponent == 0 ? std::ldexp(mantissa, -24)
                                             : std::ldexp(1024 + mantissa, exponent - 25);
    const double expected = bits & 0x8000 ? -magnitude : magnitude;
    if (expected == expected)
      ASSERT_EQ(std::bit_cast<uint32_t>(half), std::bit_cast<uint32_t>(float(expected))) << bits;
    else
      ASSERT_NE(half, half) << bits;
    ASSERT_EQ(std::bit_cast<uint32_t>(brain), bits << 16);
  }
}

TEST(block_decoder, unsupported_types_are_named_with_those_that_are_supported) {
  for (const uint32_t number : {10u, 16u, 20u, 29u, 34u, 39u}) {
    float value = 0;
    try {
      decode_blocks(TensorType(number), &value, 0, &value);
      ADD_FAILURE() << number;
    } catch (const Error& e) {
      EXPECT_TRUE(contains(e.what(), std::string(find_tensor_type(number)->name) + " are not supported")) << e.what();
      EXPECT_TRUE(contains(e.what(), "F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16")) << e.what();
    }
  }
}

TEST(tensor_type, names_and_numbers_go_both_ways) {
  size_t known = 0;
  for (uint32_t number = 0; number < 100; ++number)
    if (const TensorTypeFacts* facts = find_tensor_type(number)) {
      ++known;
      EXPECT_EQ(uint32_t(*parse_tensor_type(facts->name)), number);
      EXPECT_EQ(tensor_bytes(facts->type, 3 * facts->block_values), 3 * facts->block_bytes);
      EXPECT_EQ(removed_type_name(number), "");
    }
  EXPECT_EQ(known, 35u);
  EXPECT_EQ(parse_tensor_type("q4_K"), TensorType::q4_k);
  EXPECT_EQ(parse_tensor_type("q4"), std::nullopt);
  EXPECT_EQ(removed_type_name(31), "Q4_0_4_4");
}

}  // namespace
}  // namespace assay
