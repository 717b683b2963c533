// gemv_rowdot: NT, m = 1. A thread cuts its contiguous range of B's rows into ROWS long streams and reads them side by
// side.
#include "gate_and_up.h"
#include "inner_loops.h"

namespace assay {
namespace {

constexpr int64_t kChunk = 64;  // outputs of a stream that are gathered before D is written

// Streams far apart, not neighbouring rows: rows of 1792 bytes side by side share pages, which confuses the hardware's
// prefetchers (64 % of the read ceiling on Zen 4 instead of 97 %).
template <class T, class Out>
void multiply(const assay_tensor& b, const float* a, Range rows, const Out& out) {
  const int64_t k = b.dims[2], stride = b.strides[1], count = rows.end - rows.begin;
  const int64_t each = count / ROWS;
  float products[ROWS][kChunk];
  for (int64_t first = 0; first < each; first += kChunk) {
    const int64_t chunk = least(kChunk, each - first);
    for (int64_t i = 0; i < chunk; ++i) {
      float one[ROWS];
      dot_rows<ROWS, UNROLL, PREFETCH>(row_of<T>(b, 0, rows.begin + first + i), each * stride, a, k, one);
      for (int s = 0; s < ROWS; ++s) products[s][i] = one[s];
    }
    for (int s = 0; s < ROWS; ++s) out.write(0, 0, rows.begin + s * each + first, products[s], chunk);
  }
  for (int64_t row = rows.begin + each * ROWS; row < rows.end; ++row) {
    dot_rows<1, UNROLL, 0>(row_of<T>(b, 0, row), 0, a, k, products[0]);
    out.write(0, 0, row, products[0], 1);
  }
}

/// False if it cannot.
template <class Out>
bool multiply_any(const assay_tensor& b, const float* a, Range rows, const Out& out) {
  if (b.layout != ASSAY_STRIDED || b.strides[2] != 1) return false;
  if (b.dtype == ASSAY_F32) multiply<float>(b, a, rows, out);
  if (b.dtype == ASSAY_F16) multiply<Half>(b, a, rows, out);
  if (b.dtype == ASSAY_BF16) multiply<Bfloat>(b, a, rows, out);
  return true;
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  // A is small: each thread widens its own copy, which saves a barrier.
  auto* space = static_cast<float*>(workspace_slice(*call, *thread, row_bytes(*call)));
  const float* activations = widened_row(a, 0, 0, 0, a.dims[2], space);
  if (ends_in_swiglu(*call)) {
    bool done = true;
    const Range mine = share(find_tensor(*call, ASSAY_B)->dims[1], ROWS, *thread);
    write_gate_and_up<ROWS * kChunk>(Epilogue(*call, 0), 0, mine, [&](uint32_t s, Range rows, const Kept& kept) {
      done &= multiply_any(*find_tensor(*call, ASSAY_B, s), activations, rows, kept);
    });
    return done ? ASSAY_OK : ASSAY_UNSUPPORTED;
  }
  const Range mine = share(total_columns(*call), ROWS, *thread);
  int64_t offset = 0;
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    const Epilogue epilogue(*call, s);
    if (!multiply_any(b, activations, part_of(mine, offset, b.dims[1]), epilogue)) return ASSAY_UNSUPPORTED;
    offset += b.dims[1];
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("gemv_rowdot", assay::row_per_thread_bytes, nullptr, nullptr, assay::run)
