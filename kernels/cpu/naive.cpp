// naive: the plain loop, for every layout, type, batch, epilogue and segment: what the other kernels are compared with.
#include "call.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 16;  // outputs, or steps of k, that the compiler may compute side by side

/// Element (column, i) of one batch of B, however it lies.
template <class T>
struct Strided {
  const T* data;
  int64_t column_stride, k_stride;
  Strided(const assay_tensor& b, int64_t batch)
      : data(row_of<T>(b, batch, 0)), column_stride(b.strides[1]), k_stride(b.strides[2]) {}
  float operator()(int64_t column, int64_t i) const { return to_float(data[column * column_stride + i * k_stride]); }
};

struct Q8Blocks {
  const char* data;
  int64_t column_stride, k_stride = 1;
  Q8Blocks(const assay_tensor& b, int64_t batch)
      : data(static_cast<const char*>(b.data) + 34 * batch * b.strides[0]), column_stride(34 * b.strides[1]) {}
  float operator()(int64_t column, int64_t i) const {
    const char* block = data + column * column_stride + i / 32 * 34;
    Half scale;
    memcpy(&scale, block, sizeof scale);
    return to_float(scale) * float(static_cast<signed char>(block[2 + i % 32]));
  }
};

struct Q8Split {
  const int8_t* data;
  const Half* scales;
  int64_t column_stride, blocks, k_stride = 1;
  Q8Split(const assay_tensor& b, int64_t batch)
      : data(row_of<int8_t>(b, batch, 0)),
        scales(static_cast<const Half*>(b.scales) + batch * b.dims[1] * (b.dims[2] / 32)),
        column_stride(b.strides[1]),
        blocks(b.dims[2] / 32) {}
  float operator()(int64_t column, int64_t i) const {
    return to_float(scales[column * blocks + i / 32]) * float(data[column * column_stride + i]);
  }
};

/// One output at a time, k inside: B is read along its rows.
template <class Elements>
void dot(const Elements& b, const float* a, int64_t k, Range columns, float* products) {
  for (int64_t j = columns.begin; j < columns.end; ++j) {
    float sums[kBlock] = {};
    int64_t i = 0;
    for (; i + kBlock <= k; i += kBlock)
      for (int64_t s = 0; s < kBlock; ++s) sums[s] += a[i + s] * b(j, i + s);
    float total = 0;
    for (; i < k; ++i) total += a[i] * b(j, i);
    for (int64_t s = 0; s < kBlock; ++s) total += sums[s];
    products[j - columns.begin] = total;
  }
}

/// Neighbouring outputs together, k outside: for B whose columns are neighbours in memory.
template <class Elements>
void axpy(const Elements& b, const float* a, int64_t k, Range columns, float* products) {
  const int64_t count = columns.end - columns.begin;
  for (int64_t j = 0; j < count; ++j) products[j] = 0;
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < count; ++j) products[j] += a[i] * b(columns.begin + j, i);
}

template <class Elements>
void multiply(const assay_call& call, uint32_t segment, Range mine, float* space) {
  const assay_tensor &a = *find_tensor(call, ASSAY_A), &b = *find_tensor(call, ASSAY_B, segment);
  const Epilogue epilogue(call, segment);
  const int64_t k = b.dims[2];
  for (int64_t batch = 0; batch < a.dims[0]; ++batch) {
    const Elements elements(b, batch);
    for (int64_t row = 0; row < a.dims[1]; ++row) {
      const float* activations = widened_row(a, batch, row, 0, k, space);
      for (int64_t first = mine.begin; first < mine.end; first += 16 * kBlock) {
        const Range columns = {first, least(first + 16 * kBlock, mine.end)};
        float products[16 * kBlock];
        if (elements.k_stride == 1)
          dot(elements, activations, k, columns, products);
        else
          axpy(elements, activations, k, columns, products);
        epilogue.write(batch, row, first, products, columns.end - first);
      }
    }
  }
}

int run(const assay_call* call, const assay_thread* thread) {
  auto* space = static_cast<float*>(workspace_slice(*call, *thread, row_bytes(*call)));
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    const Range mine = share(b.dims[1], 1, *thread);
    if (b.layout == ASSAY_Q8_0_BLOCKS) multiply<Q8Blocks>(*call, s, mine, space);
    if (b.layout == ASSAY_Q8_0_SPLIT) multiply<Q8Split>(*call, s, mine, space);
    if (b.layout != ASSAY_STRIDED) continue;
    if (b.dtype == ASSAY_F32) multiply<Strided<float>>(*call, s, mine, space);
    if (b.dtype == ASSAY_F16) multiply<Strided<Half>>(*call, s, mine, space);
    if (b.dtype == ASSAY_BF16) multiply<Strided<Bfloat>>(*call, s, mine, space);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("naive", assay::row_per_thread_bytes, nullptr, nullptr, assay::run)
