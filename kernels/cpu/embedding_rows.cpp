// embedding_rows: a row is asked for as a whole before any of it is widened. Rows are shared over threads.
#include "blocks.h"
#include "rows.h"

namespace assay {
namespace {

constexpr int64_t kTile = 256;  // values, a multiple of every block

/// Values [first, first + count) of a row of blocks; both whole blocks.
void widen_blocks(const uint8_t* row, uint32_t dtype, int64_t first, int64_t count, float* to) {
  const BlockShape shape = block_shape(dtype);
  const DecodeSixteen decode = decoder_of(dtype);
  for (int64_t i = 0; i < count; i += shape.values) {
    const uint8_t* block = row + (first + i) / shape.values * shape.bytes;
    for (int64_t at = 0; at < shape.values; at += 16) decode(block, at, to + i + at);
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_EMBEDDING || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  const assay_tensor &table = *find_tensor(*call, ASSAY_B), &d = *find_tensor(*call, ASSAY_D);
  const bool in_blocks = table.layout == ASSAY_BLOCKS;
  const int64_t columns = d.dims[2];
  const int64_t stride = table.strides[1] * block_shape(table.dtype).bytes;
  const Range rows = share(d.dims[1], 1, *thread);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t number = index_at(*call, row);
    const uint8_t* from = static_cast<const uint8_t*>(table.data) + number * stride;
    for (int64_t line = 0; line < stride; line += 64) __builtin_prefetch(from + line);
    for (int64_t first = 0; first < columns; first += kTile) {
      alignas(64) float space[kTile];
      const int64_t count = least(kTile, columns - first);
      const float* values = space;
      if (in_blocks)
        widen_blocks(from, table.dtype, first, count, space);
      else
        values = widened_row(table, 0, number, first, count, space);
      write_row(d, 0, row, first, values, count);
    }
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("embedding_rows", nullptr, nullptr, nullptr, assay::run)
