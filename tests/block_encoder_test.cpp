// Laws of the weight encoders: what is written is read back within a step of its block's grid; grids keep what lies on
// them.
#include "model/block_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "model/block_decoder.h"

namespace assay {
namespace {

constexpr TensorType kTypes[] = {TensorType::f32,  TensorType::f16,  TensorType::bf16, TensorType::q8_0,
                                 TensorType::q4_0, TensorType::q4_1, TensorType::q5_0, TensorType::q5_1,
                                 TensorType::q4_k, TensorType::q5_k, TensorType::q6_k};

std::vector<float> round_trip(TensorType type, const std::vector<float>& values) {
  std::vector<uint8_t> blocks(size_t(tensor_bytes(type, int64_t(values.size()))));
  encode_blocks(type, values.data(), int64_t(values.size()), blocks.data());
  std::vector<float> read(values.size());
  decode_blocks(type, blocks.data(), int64_t(values.size()), read.data());
  return read;
}

/// The largest error over the largest value.
double worst_error(TensorType type, const std::vector<float>& values) {
  const std::vector<float> read = round_trip(type, values);
  double worst = 0, most = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    worst = std::max(worst, std::fabs(double(read[i]) - values[i]));
    most = std::max(most, std::fabs(double(values[i])));
  }
  return worst / most;
}

double allowed(TensorType type) {
  switch (type) {
    case TensorType::f32:
      return 0;
    case TensorType::f16:
      return 0x1p-11;
    case TensorType::bf16:
      return 0x1p-8;
    case TensorType::q8_0:
      return 0.5 / 127 + 0x1p-10;
    case TensorType::q4_0:
    case TensorType::q4_1:
      return 1.01 / 8;  // the one end has no value of its own
    case TensorType::q5_0:
    case TensorType::q5_1:
      return 1.01 / 16;
    case TensorType::q4_k:
      return 0.12;
    case TensorType::q5_k:
      return 0.07;
    default:
      return 0.045;
  }
}

TEST(block_encoder, what_is_written_is_read_back_within_a_step) {
  std::vector<float> waves(2048), positive(2048), uneven(2048);
  for (size_t i = 0; i < waves.size(); ++i) {
    waves[i] = std::sin(float(i) * 1.7f) * 0.05f;
    positive[i] = 0.01f + 0.04f * std::fabs(waves[i]);
    uneven[i] = waves[i] * (i / 64 % 2 ? 1.0f : 0.01f);
  }
  for (const TensorType type : kTypes)
    for (const auto& values : {waves, positive, uneven})
      EXPECT_LE(worst_error(type, values), allowed(type)) << tensor_type_name(type);
}

TEST(block_encoder, zeros_stay_zeros) {
  const std::vector<float> zeros(512, 0.0f);
  for (const TensorType type : kTypes) EXPECT_EQ(round_trip(type, zeros), zeros) << tensor_type_name(type);
}

TEST(block_encoder, values_on_a_grid_stay_as_they_are) {
  std::vector<float> values(256);
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(int(i % 16) - 8) / 64;
  for (const TensorType type : {TensorType::q4_0, TensorType::q4_1, TensorType::f16})
    EXPECT_EQ(round_trip(type, values), values) << tensor_type_name(type);
}

TEST(block_encoder, rows_that_no_block_divides_get_the_type_that_quantizers_take) {
  EXPECT_EQ(storable_type(TensorType::q4_k, 896), TensorType::q5_0);
  EXPECT_EQ(storable_type(TensorType::q5_k, 576), TensorType::q5_1);
  EXPECT_EQ(storable_type(TensorType::q6_k, 896), TensorType::q8_0);
  EXPECT_EQ(storable_type(TensorType::q4_k, 4864), TensorType::q4_k);
  EXPECT_EQ(storable_type(TensorType::q4_0, 896), TensorType::q4_0);
  EXPECT_EQ(storable_type(TensorType::q4_0, 100), TensorType::f16);
  EXPECT_EQ(storable_type(TensorType::bf16, 7), TensorType::bf16);
}

}  // namespace
}  // namespace assay
