// What every kernel does with a call: find its tensors, take a share of the work, widen A, write D.
#pragma once
#include "assay_kernel.h"
#include "simd.h"

namespace assay {

/// The tensor of that role (and segment), or null.
inline const assay_tensor* find_tensor(const assay_call& call, uint32_t role, uint32_t segment = 0) {
  for (uint32_t i = 0; i < call.tensor_count; ++i)
    if (call.tensors[i].role == role && call.tensors[i].segment == segment) return call.tensors + i;
  return nullptr;
}

inline float param(const assay_call& call, uint32_t id, float otherwise) {
  for (uint32_t i = 0; i < call.param_count; ++i)
    if (call.params[i].id == id) return float(call.params[i].value);
  return otherwise;
}

/// How many outputs share A: the segments of a fused spec, else 1.
inline uint32_t segment_count(const assay_call& call) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < call.tensor_count; ++i) count += call.tensors[i].role == ASSAY_B;
  return count;
}

/// Sum of n over the segments.
inline int64_t total_columns(const assay_call& call) {
  int64_t total = 0;
  for (uint32_t i = 0; i < call.tensor_count; ++i)
    if (call.tensors[i].role == ASSAY_B) total += call.tensors[i].dims[1];
  return total;
}

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

struct Range {
  int64_t begin, end;
};

/// The part of `range` that lies in [offset, offset + size), counted from offset; begin = end where none does.
inline Range part_of(Range range, int64_t offset, int64_t size) {
  const int64_t begin = range.begin > offset ? range.begin - offset : 0, end = least(range.end - offset, size);
  return {begin, end > begin ? end : begin};
}

/// The calling thread's contiguous share of [0, total), cut at multiples of `granule`.
inline Range share(int64_t total, int64_t granule, const assay_thread& thread) {
  const int64_t pieces = (total + granule - 1) / granule;
  const int64_t begin = pieces * thread.index / thread.count * granule;
  const int64_t end = pieces * (thread.index + 1) / thread.count * granule;
  return {begin < total ? begin : total, end < total ? end : total};
}

inline size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// The calling thread's slice of a workspace of thread.count slices.
inline void* workspace_slice(const assay_call& call, const assay_thread& thread, size_t slice_bytes) {
  return static_cast<char*>(call.workspace) + slice_bytes * thread.index;
}

/// Bytes of one row of A in float, in whole cache lines so that threads do not share them.
inline size_t row_bytes(const assay_call& call) {
  return round_up(size_t(find_tensor(call, ASSAY_A)->dims[2]) * sizeof(float), 64);
}
inline size_t row_per_thread_bytes(const assay_call* call, uint32_t threads) { return row_bytes(*call) * threads; }

template <class T>
const T* row_of(const assay_tensor& t, int64_t batch, int64_t row) {
  return static_cast<const T*>(t.data) + batch * t.strides[0] + row * t.strides[1];
}

template <class T>
void widen(const T* from, int64_t stride, int64_t count, float* to) {
  int64_t i = 0;
  if (stride == 1)
    for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
  for (; i < count; ++i) to[i] = to_float(from[i * stride]);
}

/// Elements [first, first + count) of a row as floats: in place where they are floats already, else widened into
/// `space`.
__attribute__((noinline)) inline const float* widened_row(const assay_tensor& t, int64_t batch, int64_t row,
                                                          int64_t first, int64_t count, float* space) {
  const int64_t stride = t.strides[2];
  if (t.dtype == ASSAY_F32 && stride == 1) return row_of<float>(t, batch, row) + first;
  if (t.dtype == ASSAY_F32) widen(row_of<float>(t, batch, row) + first * stride, stride, count, space);
  if (t.dtype == ASSAY_F16) widen(row_of<Half>(t, batch, row) + first * stride, stride, count, space);
  if (t.dtype == ASSAY_BF16) widen(row_of<Bfloat>(t, batch, row) + first * stride, stride, count, space);
  return space;
}

/// Writes D = alpha * products + beta * C + bias, rounded once; C is not touched where beta = 0.
class Epilogue {
 public:
  Epilogue(const assay_call& call, uint32_t segment)
      : d_(find_tensor(call, ASSAY_D, segment)),
        bias_(find_tensor(call, ASSAY_BIAS, segment)),
        alpha_(param(call, ASSAY_ALPHA, 1)),
        beta_(param(call, ASSAY_BETA, 0)) {
    if (beta_ != 0) c_ = find_tensor(call, ASSAY_C, segment);
  }

  /// `count` columns from `column` on. One copy a module: it is most of what there is to compile.
  __attribute__((noinline)) void write(int64_t batch, int64_t row, int64_t column, const float* products,
                                       int64_t count) const {
    if (d_->dtype == ASSAY_F32) write_as<float>(batch, row, column, products, count);
    if (d_->dtype == ASSAY_F16) write_as<Half>(batch, row, column, products, count);
    if (d_->dtype == ASSAY_BF16) write_as<Bfloat>(batch, row, column, products, count);
  }

 private:
  template <class T>
  void write_as(int64_t batch, int64_t row, int64_t column, const float* products, int64_t count) const {
    const int64_t d_step = d_->strides[2], c_step = c_ ? c_->strides[2] : 1, bias_step = bias_ ? bias_->strides[2] : 1;
    T* d = static_cast<T*>(d_->data) + batch * d_->strides[0] + row * d_->strides[1] + column * d_step;
    const T* c = c_ ? row_of<T>(*c_, batch, row) + column * c_step : nullptr;
    const T* bias = bias_ ? static_cast<const T*>(bias_->data) + column * bias_step : nullptr;
    if (d_step == 1 && c_step == 1 && bias_step == 1) {
      const Vec alpha = set1(alpha_), beta = set1(beta_);
      int64_t i = 0;
      for (; i + kLanes <= count; i += kLanes) {
        Vec v = mul(alpha, load(products + i));
        if (c) v = fma(beta, load(c + i), v);
        if (bias) v = add(v, load(bias + i));
        store(d + i, v);
      }
      if (const int lanes = int(count - i); lanes > 0) {
        Vec v = mul(alpha, load_part(products + i, lanes));
        if (c) v = fma(beta, load_part(c + i, lanes), v);
        if (bias) v = add(v, load_part(bias + i, lanes));
        store_part(d + i, v, lanes);
      }
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      float value = alpha_ * products[i];
      if (c) value += beta_ * to_float(c[i * c_step]);
      if (bias) value += to_float(bias[i * bias_step]);
      from_float(value, d + i * d_step);
    }
  }

  const assay_tensor *d_, *bias_, *c_ = nullptr;
  float alpha_, beta_;
};

}  // namespace assay

/// Defines the module's entry from the remaining fields of assay_kernel: name, workspace_bytes, prepared_bytes,
/// prepare, run.
#define ASSAY_KERNEL_ENTRY(...)                                                                    \
  extern "C" __attribute__((visibility("default"))) const assay_kernel* assay_kernel_entry(void) { \
    static const assay_kernel kernel = {sizeof(assay_kernel), ASSAY_ABI_VERSION, __VA_ARGS__};     \
    return &kernel;                                                                                \
  }
