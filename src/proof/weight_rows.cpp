// B's values as floats, a row or a column at a time.
#include "proof/weight_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/half.h"
#include "model/block_decoder.h"
#include "proof/block_type.h"
#include "proof/inputs.h"

namespace assay {
namespace {

constexpr int kBlock = 32;
constexpr int64_t kTileRows = 64;

/// By arithmetic, not by a table, so that it is done in lanes: as the exponent of a float what is left is a factor of
/// 2^112.
ASSAY_CLONES void halves_to_floats(const uint16_t* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t magnitude = uint32_t(from[i] & 0x7fffu) << 13;
    const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
    const uint32_t bits = magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : finite;
    to[i] = std::bit_cast<float>(bits | uint32_t(from[i] & 0x8000u) << 16);
  }
}

ASSAY_CLONES void bf16s_to_floats(const uint16_t* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = std::bit_cast<float>(uint32_t(from[i]) << 16);
}

ASSAY_CLONES void scale_block(const int8_t* from, float scale, float* to) {
  for (int i = 0; i < kBlock; ++i) to[i] = scale * float(from[i]);
}

/// Values of a dense type, `step` elements apart from `first` on.
void decode_strided(const Tensor& b, int64_t first, int64_t step, std::vector<float>& to) {
  const int64_t count = int64_t(to.size());
  if (step == 1) return decode_values(b.dtype, b.data + dtype_bytes(b.dtype, first), count, to.data());
  if (b.dtype == Dtype::f32) {
    const auto* values = reinterpret_cast<const float*>(b.data) + first;
    for (int64_t i = 0; i < count; ++i) to[size_t(i)] = values[i * step];
    return;
  }
  const auto* values = reinterpret_cast<const uint16_t*>(b.data) + first;
  const float* table = value_table(b.dtype);
  for (int64_t i = 0; i < count; ++i) to[size_t(i)] = table[values[i * step]];
}

}  // namespace

void decode_values(Dtype dtype, const std::byte* from, int64_t count, float* to) {
  if (dtype == Dtype::f32)
    std::memcpy(to, from, size_t(count) * sizeof(float));
  else
    (dtype == Dtype::bf16 ? bf16s_to_floats : halves_to_floats)(reinterpret_cast<const uint16_t*>(from), count, to);
}

void decode_row(const Tensor& b, int64_t batch, int64_t n, std::vector<float>& row) {
  const int64_t k = b.dims[2];
  row.resize(size_t(k));
  if (b.storage == Storage::strided) {
    decode_strided(b, batch * b.strides[0] + n * b.strides[1], b.strides[2], row);
    return;
  }
  if (b.storage == Storage::blocks) {
    const int64_t block = batch * b.strides[0] + n * b.strides[1];
    return decode_blocks(block_type(b.dtype), b.data + block * dtype_facts(b.dtype).block_bytes, k, row.data());
  }
  const int64_t index = batch * b.dims[1] + n;
  for (int64_t block = 0; block < k / kBlock; ++block) {
    uint16_t bits;
    std::memcpy(&bits, b.scales + 2 * (index * (k / kBlock) + block), 2);
    scale_block(reinterpret_cast<const int8_t*>(b.data + index * k + block * kBlock), half_to_float(bits),
                &row[size_t(block * kBlock)]);
  }
}

const float* RowReader::row(int64_t n) {
  if (!b_.by_columns) {
    decode_row(b_, batch_, n, row_);
    return row_.data();
  }
  const int64_t first = n / kTileRows * kTileRows;
  if (first != tile_) decode_tile(first);
  return &tile_rows_[size_t((n - first) * b_.dims[2])];
}

void RowReader::decode_tile(int64_t first) {
  constexpr int64_t kTogether = 16;  // columns: a cache line of each row is written at once
  const int64_t k = b_.dims[2], rows = std::min(kTileRows, b_.dims[1] - first);
  tile_ = first;
  tile_rows_.resize(size_t(kTileRows * k));
  float columns[kTogether][kTileRows];
  for (int64_t begin = 0; begin < k; begin += kTogether) {
    const int64_t count = std::min(kTogether, k - begin);
    for (int64_t i = 0; i < count; ++i)
      decode_values(b_.dtype,
                    b_.data + dtype_bytes(b_.dtype, batch_ * b_.strides[0] + (begin + i) * b_.strides[2] + first), rows,
                    columns[i]);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < count; ++i) tile_rows_[size_t(row * k + begin + i)] = columns[i][row];
  }
}

void decode_column(const Tensor& b, int64_t batch, int64_t k, std::vector<float>& column) {
  column.resize(size_t(b.dims[1]));
  decode_strided(b, batch * b.strides[0] + k * b.strides[2], b.strides[1], column);
}

}  // namespace assay
