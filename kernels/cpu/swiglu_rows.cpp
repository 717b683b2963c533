// swiglu_rows: vectors of gates through an exponential in registers. Columns are shared over threads.
#include "gate_and_up.h"
#include "rows.h"

namespace assay {
namespace {

constexpr int64_t kLittle = 2048;  // values; below, a second thread takes longer to start
constexpr int64_t kTile = 256;

int run(const assay_call* call, const assay_thread* thread) {
  if (call->op != ASSAY_SWIGLU || !rows_are_whole(*call)) return ASSAY_UNSUPPORTED;
  const assay_tensor &gate = *find_tensor(*call, ASSAY_A, 0), &up = *find_tensor(*call, ASSAY_A, 1),
                     &d = *find_tensor(*call, ASSAY_D);
  const int64_t columns = d.dims[2], rows = d.dims[1];
  const Range mine = share_of_work(rows * columns, 64, rows * columns <= kLittle, *thread);
  for (int64_t row = mine.begin / columns; row * columns < mine.end; ++row) {
    const Range part = part_of(mine, row * columns, columns);
    for (int64_t first = part.begin; first < part.end; first += kTile) {
      alignas(64) float gates[kTile], ups[kTile], out[kTile];
      const int64_t count = least(kTile, part.end - first);
      const float *g = widened_row(gate, 0, row, first, count, gates), *u = widened_row(up, 0, row, first, count, ups);
      float* const in_place = floats_of_row(d, row);
      swiglu_of(g, u, count, in_place ? in_place + first : out);
      if (!in_place) write_row(d, 0, row, first, out, count);
    }
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("swiglu_rows", nullptr, nullptr, nullptr, assay::run)
