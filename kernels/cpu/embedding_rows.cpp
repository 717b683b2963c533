// embedding_rows: a row is asked for as a whole before any of it is widened. Rows are shared over threads.
#include "rows.h"

namespace assay {
namespace {

constexpr int64_t kTile = 256, kBlock = 32, kBlockBytes = 34;

/// Values [first, first + count) of a row of Q8_0 blocks; both whole blocks.
void widen_blocks(const char* row, int64_t first, int64_t count, float* to) {
  for (int64_t i = 0; i < count; i += kBlock) {
    const char* block = row + (first + i) / kBlock * kBlockBytes;
    Half scale;
    __builtin_memcpy(&scale, block, sizeof scale);
    const Vec factor = set1(to_float(scale));
    for (int64_t at = 0; at < kBlock; at += kLanes)
      store(to + i + at, mul(factor, load(reinterpret_cast<const int8_t*>(block) + 2 + at)));
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_EMBEDDING || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  const assay_tensor &table = *find_tensor(*call, ASSAY_B), &d = *find_tensor(*call, ASSAY_D);
  const bool in_blocks = table.layout == ASSAY_BLOCKS;
  const int64_t columns = d.dims[2];
  const int64_t unit = in_blocks ? kBlockBytes : table.dtype == ASSAY_F32 ? 4 : 2, stride = table.strides[1] * unit;
  const Range rows = share(d.dims[1], 1, *thread);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t number = index_at(*call, row);
    const char* from = static_cast<const char*>(table.data) + number * stride;
    for (int64_t line = 0; line < stride; line += 64) __builtin_prefetch(from + line);
    for (int64_t first = 0; first < columns; first += kTile) {
      alignas(64) float space[kTile];
      const int64_t count = least(kTile, columns - first);
      const float* values = space;
      if (in_blocks)
        widen_blocks(from, first, count, space);
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
