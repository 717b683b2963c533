// naive: the plain loop, for every layout, type, batch, epilogue and segment: what the other kernels are compared with.
#include "blocks.h"
#include "gate_and_up.h"

namespace assay {
namespace {

constexpr int64_t kBlock = 16;  // steps of k side by side; the length of every quantized block is a multiple

/// One batch of B, however it lies: `read` gives elements i … i + count - 1 of a column, at most kBlock.
template <class T>
struct Strided {
  const T* data;
  int64_t column_stride, k_stride;
  Strided(const assay_tensor& b, int64_t batch)
      : data(row_of<T>(b, batch, 0)), column_stride(b.strides[1]), k_stride(b.strides[2]) {}
  float at(int64_t column, int64_t i) const { return to_float(data[column * column_stride + i * k_stride]); }
  void read(int64_t column, int64_t i, int64_t count, float* to) const {
    widen(data + column * column_stride + i * k_stride, k_stride, count, to);
  }
};

/// `values` lie in one Q8_0 block; count is 0 or kBlock.
inline void dequantize(const void* half, const int8_t* values, int64_t count, float* to) {
  const Vec scale = count ? broadcast(half) : zero();
  for (int64_t s = 0; s < count; s += kLanes) store(to + s, mul(load(values + s), scale));
}

/// Any quantized type as GGUF lays it out.
struct Blocks {
  const uint8_t* data;
  int64_t column_stride;
  BlockShape shape;
  DecodeSixteen decode;
  Blocks(const assay_tensor& b, int64_t batch)
      : data(block_row(b, batch, 0)),
        column_stride(block_shape(b.dtype).bytes * b.strides[1]),
        shape(block_shape(b.dtype)),
        decode(decoder_of(b.dtype)) {}
  void read(int64_t column, int64_t i, int64_t count, float* to) const {
    if (count) decode(data + column * column_stride + i / shape.values * shape.bytes, i % shape.values, to);
  }
};

struct Q8Split {
  const int8_t* data;
  const Half* scales;
  int64_t column_stride, blocks;
  Q8Split(const assay_tensor& b, int64_t batch)
      : data(row_of<int8_t>(b, batch, 0)),
        scales(static_cast<const Half*>(b.scales) + batch * b.dims[1] * (b.dims[2] / 32)),
        column_stride(b.strides[1]),
        blocks(b.dims[2] / 32) {}
  void read(int64_t column, int64_t i, int64_t count, float* to) const {
    dequantize(scales + column * blocks + i / 32, data + column * column_stride + i, count, to);
  }
};

/// One output at a time, k inside: B is read along its rows.
template <class Elements>
void dot(const Elements& b, const float* a, int64_t k, Range columns, float* products) {
  for (int64_t j = columns.begin; j < columns.end; ++j) {
    float sums[kBlock] = {}, elements[kBlock];
    int64_t i = 0;
    for (; i + kBlock <= k; i += kBlock) {
      b.read(j, i, kBlock, elements);
      for (int64_t s = 0; s < kBlock; ++s) sums[s] += a[i + s] * elements[s];
    }
    b.read(j, i, k - i, elements);
    float total = 0;
    for (int64_t s = 0; s < k - i; ++s) total += a[i + s] * elements[s];
    for (int64_t s = 0; s < kBlock; ++s) total += sums[s];
    products[j - columns.begin] = total;
  }
}

/// Neighbouring outputs together, k outside: for B whose columns are neighbours in memory.
template <class T>
void axpy(const Strided<T>& b, const float* a, int64_t k, Range columns, float* products) {
  const int64_t count = columns.end - columns.begin;
  for (int64_t j = 0; j < count; ++j) products[j] = 0;
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < count; ++j) products[j] += a[i] * b.at(columns.begin + j, i);
}

template <class T>
void products_of(const Strided<T>& b, const float* a, int64_t k, Range columns, float* products) {
  if (b.k_stride == 1)
    dot(b, a, k, columns, products);
  else
    axpy(b, a, k, columns, products);
}
template <class Quantized>
void products_of(const Quantized& b, const float* a, int64_t k, Range columns, float* products) {
  dot(b, a, k, columns, products);
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
        products_of(elements, activations, k, columns, products);
        epilogue.write(batch, row, first, products, columns.end - first);
      }
    }
  }
}

template <class Elements>
void multiply_gate_and_up(const assay_call& call, Range mine, float* space) {
  const assay_tensor &a = *find_tensor(call, ASSAY_A), &gate = *find_tensor(call, ASSAY_B, 0);
  const Elements elements[2] = {Elements(gate, 0), Elements(*find_tensor(call, ASSAY_B, 1), 0)};
  const Epilogue epilogue(call, 0);
  for (int64_t row = 0; row < a.dims[1]; ++row) {
    const float* activations = widened_row(a, 0, row, 0, a.dims[2], space);
    write_gate_and_up<16 * kBlock>(epilogue, row, mine, [&](uint32_t s, Range columns, const Kept& kept) {
      products_of(elements[s], activations, a.dims[2], columns, kept.to);
    });
  }
}

template <class Elements>
void multiply_as(const assay_call& call, uint32_t segment, Range mine, float* space) {
  if (!ends_in_swiglu(call)) return multiply<Elements>(call, segment, mine, space);
  if (segment == 0) multiply_gate_and_up<Elements>(call, mine, space);
}

int run(const assay_call* call, const assay_thread* thread) {
  auto* space = static_cast<float*>(workspace_slice(*call, *thread, row_bytes(*call)));
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    const Range mine = share(b.dims[1], 1, *thread);
    if (b.layout == ASSAY_BLOCKS) multiply_as<Blocks>(*call, s, mine, space);
    if (b.layout == ASSAY_Q8_0_SPLIT) multiply_as<Q8Split>(*call, s, mine, space);
    if (b.layout != ASSAY_STRIDED) continue;
    if (b.dtype == ASSAY_F32) multiply_as<Strided<float>>(*call, s, mine, space);
    if (b.dtype == ASSAY_F16) multiply_as<Strided<Half>>(*call, s, mine, space);
    if (b.dtype == ASSAY_BF16) multiply_as<Strided<Bfloat>>(*call, s, mine, space);
  }
  return ASSAY_OK;
}

}  // namespace
}  // namespace assay

ASSAY_KERNEL_ENTRY("naive", assay::row_per_thread_bytes, nullptr, nullptr, assay::run)
