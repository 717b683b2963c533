// For kernels that hand the work to a library: operands as float matrices, weights as they lie or prepared
// (PREPARED=1).
#pragma once
#include "blocks.h"

namespace assay {

struct Matrix {
  const float* data;
  int64_t batch_stride, ld;
  bool transposed;  // B lies n×k
};

inline int64_t element_count(const assay_tensor& t) { return t.dims[0] * t.dims[1] * t.dims[2]; }
inline bool has_rows(const assay_tensor& b) { return b.layout != ASSAY_STRIDED || b.strides[2] == 1; }

/// `count` weights that follow each other in B's storage as floats: row i of n×k storage, else column i of B.
__attribute__((noinline)) inline void widen_line(const assay_tensor& b, int64_t batch, int64_t i, int64_t count,
                                                 float* out) {
  const bool rows = has_rows(b);
  const int64_t first = batch * b.strides[0] + i * b.strides[rows ? 1 : 2], step = b.strides[rows ? 2 : 1];
  if (b.layout == ASSAY_STRIDED) {
    if (b.dtype == ASSAY_F32) widen(static_cast<const float*>(b.data) + first, step, count, out);
    if (b.dtype == ASSAY_F16) widen(static_cast<const Half*>(b.data) + first, step, count, out);
    if (b.dtype == ASSAY_BF16) widen(static_cast<const Bfloat*>(b.data) + first, step, count, out);
    return;
  }
  if (b.layout == ASSAY_BLOCKS) {
    const BlockShape shape = block_shape(b.dtype);
    const uint8_t* row = block_row(b, batch, i);
    const DecodeSixteen decode = decoder_of(b.dtype);
    for (int64_t k = 0; k < count; k += 16) decode(row + k / shape.values * shape.bytes, k % shape.values, out + k);
    return;
  }
  const int64_t blocks = b.dims[2] / 32;
  const auto* scales = static_cast<const uint8_t*>(b.scales) + 2 * (batch * b.dims[1] + i) * blocks;
  const auto* values = static_cast<const int8_t*>(b.data) + first;
  for (int64_t k = 0; k < count; ++k) out[k] = half_at(scales + 2 * (k / 32)) * float(values[k]);
}

inline size_t prepared_bytes(const assay_call* call) {
  size_t bytes = 0;
  for (uint32_t s = 0; s < segment_count(*call); ++s)
    bytes += round_up(size_t(element_count(*find_tensor(*call, ASSAY_B, s))) * sizeof(float), 64);
  return bytes;
}

/// Every segment's weights as floats, dense, in the storage order that they have; each thread a share of the lines.
inline int prepare(const assay_call* call, void* prepared, const assay_thread* thread) {
  char* to = static_cast<char*>(prepared);
  for (uint32_t s = 0; s < segment_count(*call); ++s) {
    const assay_tensor& b = *find_tensor(*call, ASSAY_B, s);
    const bool rows = has_rows(b);
    const int64_t outer = rows ? b.dims[1] : b.dims[2], inner = rows ? b.dims[2] : b.dims[1];
    float* f = reinterpret_cast<float*>(to);
    const Range mine = share(b.dims[0] * outer, 1, *thread);
    for (int64_t line = mine.begin; line < mine.end; ++line)
      widen_line(b, line / outer, line % outer, inner, f + line * inner);
    to += round_up(size_t(element_count(b)) * sizeof(float), 64);
  }
  return ASSAY_OK;
}

/// A segment's weights. False where a library cannot take them as they lie.
inline bool weights_of(const assay_call& call, uint32_t segment, Matrix* out) {
  const assay_tensor& b = *find_tensor(call, ASSAY_B, segment);
  const bool rows = has_rows(b);
  if (!PREPARED) {
    if (b.dtype != ASSAY_F32 || (b.strides[1] != 1 && b.strides[2] != 1)) return false;
    const int64_t stride = rows ? b.strides[1] : b.strides[2], inner = rows ? b.dims[2] : b.dims[1];
    // A single row has no stride that means anything, and BLAS refuses one below the row's length.
    *out = {static_cast<const float*>(b.data), b.strides[0], stride > inner ? stride : inner, rows};
    return true;
  }
  const char* at = static_cast<const char*>(call.prepared);
  for (uint32_t s = 0; s < segment; ++s)
    at += round_up(size_t(element_count(*find_tensor(call, ASSAY_B, s))) * sizeof(float), 64);
  *out = {reinterpret_cast<const float*>(at), b.dims[1] * b.dims[2], rows ? b.dims[2] : b.dims[1], rows};
  return true;
}

inline size_t a_bytes(const assay_call& call) {
  return round_up(size_t(element_count(*find_tensor(call, ASSAY_A))) * sizeof(float), 64);
}

/// Room for A as floats, then for the products of the widest segment.
inline size_t a_and_products_bytes(const assay_call* call, uint32_t) {
  const assay_tensor& a = *find_tensor(*call, ASSAY_A);
  const int64_t products = a.dims[0] * a.dims[1] * total_columns(*call);
  return a_bytes(*call) + size_t(products) * sizeof(float);
}

/// A as dense floats [batch, m, k]: in place where it is that already, else widened into the workspace.
inline const float* dense_a(const assay_call& call) {
  const assay_tensor& a = *find_tensor(call, ASSAY_A);
  const int64_t m = a.dims[1], k = a.dims[2];
  if (a.dtype == ASSAY_F32 && a.strides[2] == 1 && a.strides[1] == k && a.strides[0] == m * k)
    return static_cast<const float*>(a.data);
  auto* out = static_cast<float*>(call.workspace);
  for (int64_t batch = 0; batch < a.dims[0]; ++batch)
    for (int64_t row = 0; row < m; ++row) {
      float* to = out + (batch * m + row) * k;
      const float* from = widened_row(a, batch, row, 0, k, to);
      if (from != to) memcpy(to, from, size_t(k) * sizeof(float));
    }
  return out;
}

inline float* products_of(const assay_call& call) {
  return reinterpret_cast<float*>(static_cast<char*>(call.workspace) + a_bytes(call));
}

inline bool is_dense(const assay_tensor& t) {
  return t.strides[2] == 1 && t.strides[1] == t.dims[2] && t.strides[0] == t.dims[1] * t.dims[2];
}

/// D, where the products may go straight into it: dense, nothing to add, and alpha = 1 or left to the library.
inline float* direct_output(const assay_call& call, uint32_t segment, bool library_scales) {
  const assay_tensor& d = *find_tensor(call, ASSAY_D, segment);
  const bool plain = param(call, ASSAY_BETA, 0) == 0 && !find_tensor(call, ASSAY_BIAS, segment) &&
                     (library_scales || param(call, ASSAY_ALPHA, 1) == 1);
  return d.dtype == ASSAY_F32 && is_dense(d) && plain ? static_cast<float*>(d.data) : nullptr;
}

inline void write_products(const assay_call& call, uint32_t segment, const float* products) {
  const assay_tensor& d = *find_tensor(call, ASSAY_D, segment);
  const Epilogue epilogue(call, segment);
  for (int64_t batch = 0; batch < d.dims[0]; ++batch)
    for (int64_t row = 0; row < d.dims[1]; ++row)
      epilogue.write(batch, row, 0, products + (batch * d.dims[1] + row) * d.dims[2], d.dims[2]);
}

}  // namespace assay
