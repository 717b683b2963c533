// What lies where a launch has no business.
#include "proof/unread_rows.h"

#include <cmath>
#include <cstring>

#include "base/random.h"
#include "proof/block_value.h"
#include "proof/inputs.h"

namespace assay {
namespace {

enum class Kind { nan, infinite, largest };

void fill_block(Dtype dtype, std::byte* block, Kind kind, bool is_negative) {
  const BlockScales at = block_scales(dtype);
  for (const int64_t half : {at.scale, at.least}) {
    if (half < 0) continue;
    const auto value = uint16_t((kind == Kind::infinite ? 0x7c00 : 0x7bff) | (is_negative ? 0x8000 : 0));
    std::memcpy(block + half, &value, 2);
  }
}

void fill_row(Dtype dtype, std::byte* row, int64_t columns, Kind kind, uint64_t drawn) {
  std::memset(row, kPoison, size_t(dtype_bytes(dtype, columns)));
  if (kind == Kind::nan) return;
  const DtypeFacts& type = dtype_facts(dtype);
  for (int64_t i = 0; i < columns; i += type.block_values) {
    const bool is_negative = random_bits(drawn + uint64_t(i / 64)) >> (i % 64) & 1;
    std::byte* const at = row + dtype_bytes(dtype, i);
    if (is_quantized(dtype))
      fill_block(dtype, at, kind, is_negative);
    else
      encode_value(dtype, std::copysign(kind == Kind::infinite ? HUGE_VAL : largest_value(dtype), is_negative ? -1 : 1),
                   at);
  }
}

}  // namespace

void poison_rows(const Tensor& t, std::byte* data, const UnreadRows& rows, uint64_t drawn) {
  const int64_t row_bytes = dtype_bytes(t.dtype, t.dims[2]);
  for (int64_t batch = 0; batch < t.dims[0]; ++batch)
    for (int64_t row = rows.first; row < rows.end; ++row) {
      const uint64_t bits = random_bits((drawn << 40) ^ uint64_t(batch * t.dims[1] + row));
      const bool is_edge = row == rows.first || row + 1 == rows.end;
      fill_row(t.dtype, data + (batch * t.dims[1] + row) * row_bytes, t.dims[2], Kind(bits % (is_edge ? 2 : 3)), bits);
    }
}

}  // namespace assay
