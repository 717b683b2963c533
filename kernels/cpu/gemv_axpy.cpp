// gemv_axpy: NN, m = 1. D gathers a[k] * B[k,:], ROWS rows of B per pass; threads share columns (SPLIT_K=0) or k
// (SPLIT_K=1).
#include "call.h"
#include "inner_loops.h"

namespace assay {
namespace {

size_t sums_bytes(const assay_call& call) { return round_up(size_t(total_columns(call)) * sizeof(float), 64); }
size_t slice_bytes(const assay_call& call) { return row_bytes(call) + sums_bytes(call); }
size_t workspace_bytes(const assay_call* call, uint32_t threads) { return slice_bytes(*call) * threads; }

/// sums = Σ a[k] * B[k, columns] over k in `part`; a starts at part.begin.
template <class T>
void accumulate(const assay_tensor& b, const float* a, Range part, Range columns, float* sums) {
  const int64_t stride = b.strides[2], count = part.end - part.begin, width = columns.end - columns.begin;
  const T* data = static_cast<const T*>(b.data) + part.begin * stride + columns.begin;
  for (int64_t j = 0; j < width; ++j) sums[j] = 0;
  // A thread that owns whole rows reads ROWS long streams, one that owns columns ROWS neighbouring rows.
  const int64_t passes = count / ROWS, apart = SPLIT_K ? passes : 1, step = SPLIT_K ? 1 : ROWS;
  for (int64_t i = 0; i < passes; ++i)
    axpy_rows<ROWS, PREFETCH>(data + i * step * stride, apart * stride, a + i * step, apart, width, sums);
  for (int64_t i = passes * ROWS; i < count; ++i) axpy_rows<1, 0>(data + i * stride, 0, a + i, 0, width, sums);
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor &a = *find_tensor(*call, ASSAY_A), &b = *find_tensor(*call, ASSAY_B);
  if (b.layout != ASSAY_STRIDED || b.strides[1] != 1) return ASSAY_UNSUPPORTED;
  const Range all = {0, b.dims[1]}, mine = share(b.dims[1], 32, *thread);
  const Range part = SPLIT_K ? share(b.dims[2], ROWS, *thread) : Range{0, b.dims[2]}, columns = SPLIT_K ? all : mine;
  char* slice = static_cast<char*>(workspace_slice(*call, *thread, slice_bytes(*call)));
  const float* activations = widened_row(a, 0, 0, part.begin, part.end - part.begin, reinterpret_cast<float*>(slice));
  float* sums = reinterpret_cast<float*>(slice + row_bytes(*call));
  if (b.dtype == ASSAY_F32) accumulate<float>(b, activations, part, columns, sums);
  if (b.dtype == ASSAY_F16) accumulate<Half>(b, activations, part, columns, sums);
  if (b.dtype == ASSAY_BF16) accumulate<Bfloat>(b, activations, part, columns, sums);
  if (SPLIT_K) {
    thread->barrier(thread);
    // Columns of thread 0's sums belong to one thread each from here on.
    sums = reinterpret_cast<float*>(static_cast<char*>(call->workspace) + row_bytes(*call)) + mine.begin;
    for (uint32_t t = 1; t < thread->count; ++t) {
      const char* other = static_cast<const char*>(call->workspace) + slice_bytes(*call) * t + row_bytes(*call);
      const float* partial = reinterpret_cast<const float*>(other) + mine.begin;
      for (int64_t j = 0; j < mine.end - mine.begin; ++j) sums[j] += partial[j];
    }
  }
  Epilogue(*call, 0).write(0, 0, mine.begin, sums, mine.end - mine.begin);
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("gemv_axpy", assay::workspace_bytes, nullptr, nullptr, assay::run)
