// gemv_kpar: NT, m = 1, for k much larger than n. Each thread takes a part of k for all rows; partial sums meet in the
// workspace.
#include "call.h"
#include "inner_loops.h"

namespace assay {
namespace {

constexpr int64_t kChunk = 64;

size_t partial_bytes(const assay_call& call) { return round_up(size_t(total_columns(call)) * sizeof(float), 64); }
size_t slice_bytes(const assay_call& call) { return row_bytes(call) + partial_bytes(call); }
size_t workspace_bytes(const assay_call* call, uint32_t threads) { return slice_bytes(*call) * threads; }

template <class T>
void dot_part(const assay_tensor& b, const float* a, Range part, float* partial) {
  const int64_t n = b.dims[1], stride = b.strides[1], count = part.end - part.begin;
  int64_t row = 0;
  for (; row + ROWS <= n; row += ROWS)
    dot_rows<ROWS, UNROLL, 0>(row_of<T>(b, 0, row) + part.begin, stride, a, count, partial + row);
  for (; row < n; ++row) dot_rows<1, UNROLL, 0>(row_of<T>(b, 0, row) + part.begin, stride, a, count, partial + row);
}

void write_sums(const assay_call& call, const assay_thread& thread, uint32_t segment, int64_t offset, Range columns) {
  const Epilogue epilogue(call, segment);
  for (int64_t first = columns.begin; first < columns.end; first += kChunk) {
    const int64_t count = least(kChunk, columns.end - first);
    float sums[kChunk] = {};
    for (uint32_t t = 0; t < thread.count; ++t) {
      const char* slice = static_cast<const char*>(call.workspace) + slice_bytes(call) * t + row_bytes(call);
      const float* partial = reinterpret_cast<const float*>(slice) + offset + first;
      for (int64_t i = 0; i < count; ++i) sums[i] += partial[i];
    }
    epilogue.write(0, 0, first, sums, count);
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  const uint32_t segments = segment_count(*call);
  for (uint32_t s = 0; s < segments; ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    if (b.layout != ASSAY_STRIDED || b.strides[2] != 1) return ASSAY_UNSUPPORTED;  // on every thread: none waits
  }
  char* slice = static_cast<char*>(workspace_slice(*call, *thread, slice_bytes(*call)));
  const Range part = share(a.dims[2], 32, *thread);
  const float* activations = widened_row(a, 0, 0, part.begin, part.end - part.begin, reinterpret_cast<float*>(slice));
  float* partial = reinterpret_cast<float*>(slice + row_bytes(*call));
  for (uint32_t s = 0; s < segments; ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    if (b.dtype == ASSAY_F32) dot_part<float>(b, activations, part, partial);
    if (b.dtype == ASSAY_F16) dot_part<Half>(b, activations, part, partial);
    if (b.dtype == ASSAY_BF16) dot_part<Bfloat>(b, activations, part, partial);
    partial += b.dims[1];
  }
  thread->barrier(thread);
  const Range mine = share(total_columns(*call), 16, *thread);
  int64_t offset = 0;
  for (uint32_t s = 0; s < segments; ++s) {
    const int64_t n = find_tensor(*call, ASSAY_B, s)->dims[1];
    write_sums(*call, *thread, s, offset, part_of(mine, offset, n));
    offset += n;
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("gemv_kpar", assay::workspace_bytes, nullptr, nullptr, assay::run)
