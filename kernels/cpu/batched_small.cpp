// batched_small: the two products of attention, NT (scores) and NN (values), many batches with small odd sizes.
#include "call.h"
#include "inner_loops.h"

namespace assay {
namespace {

constexpr int64_t kChunk = 64;

size_t slice_bytes(const assay_call& call) {
  return row_bytes(call) + round_up(size_t(total_columns(call)) * sizeof(float), 64);
}
size_t workspace_bytes(const assay_call* call, uint32_t threads) { return slice_bytes(*call) * threads; }

struct Place {
  int64_t batch, row;
};

template <class T>
void dot_columns(const assay_tensor& b, const float* a, Place at, Range columns, const Epilogue& epilogue) {
  const int64_t k = b.dims[2], stride = b.strides[1];
  for (int64_t first = columns.begin; first < columns.end; first += kChunk) {
    const int64_t count = least(kChunk, columns.end - first);
    const T* data = row_of<T>(b, at.batch, first);
    float products[kChunk];
    int64_t i = 0;
    for (; i + ROWS <= count; i += ROWS) dot_rows<ROWS, 2, PREFETCH>(data + i * stride, stride, a, k, products + i);
    for (; i < count; ++i) dot_rows<1, 2, 0>(data + i * stride, 0, a, k, products + i);
    epilogue.write(at.batch, at.row, first, products, count);
  }
}

template <class T>
void axpy_columns(const assay_tensor& b, const float* a, Place at, Range columns, float* sums,
                  const Epilogue& epilogue) {
  const int64_t k = b.dims[2], stride = b.strides[2], width = columns.end - columns.begin;
  const T* data = static_cast<const T*>(b.data) + at.batch * b.strides[0] + columns.begin;
  for (int64_t j = 0; j < width; ++j) sums[j] = 0;
  int64_t i = 0;
  for (; i + ROWS <= k; i += ROWS) axpy_rows<ROWS, PREFETCH>(data + i * stride, stride, a + i, 1, width, sums);
  for (; i < k; ++i) axpy_rows<1, 0>(data + i * stride, 0, a + i, 0, width, sums);
  epilogue.write(at.batch, at.row, columns.begin, sums, width);
}

template <class T>
void multiply(const assay_call& call, Range mine, float* space, float* sums) {
  const assay_tensor &a = *find_tensor(call, ASSAY_A), &b = *find_tensor(call, ASSAY_B);
  const int64_t n = b.dims[1];
  const Epilogue epilogue(call, 0);
  for (int64_t batch = mine.begin / n; batch * n < mine.end; ++batch) {
    const Range columns = part_of(mine, batch * n, n);
    for (int64_t row = 0; row < a.dims[1]; ++row) {
      const float* activations = widened_row(a, batch, row, 0, a.dims[2], space);
      if (b.strides[2] == 1)
        dot_columns<T>(b, activations, {batch, row}, columns, epilogue);
      else
        axpy_columns<T>(b, activations, {batch, row}, columns, sums, epilogue);
    }
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  const assay_tensor& b = *find_tensor(*call, ASSAY_B);
  if (b.layout != ASSAY_STRIDED || (b.strides[1] != 1 && b.strides[2] != 1)) return ASSAY_UNSUPPORTED;
  // The outputs of all batches in a row: with 14 batches, sharing whole ones would leave threads idle on most machines.
  const Range mine = share(b.dims[0] * b.dims[1], b.strides[2] == 1 ? ROWS : 32, *thread);
  char* slice = static_cast<char*>(workspace_slice(*call, *thread, slice_bytes(*call)));
  auto *space = reinterpret_cast<float*>(slice), *sums = reinterpret_cast<float*>(slice + row_bytes(*call));
  if (b.dtype == ASSAY_F32) multiply<float>(*call, mine, space, sums);
  if (b.dtype == ASSAY_F16) multiply<Half>(*call, mine, space, sums);
  if (b.dtype == ASSAY_BF16) multiply<Bfloat>(*call, mine, space, sums);
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("batched_small", assay::workspace_bytes, nullptr, nullptr, assay::run)
