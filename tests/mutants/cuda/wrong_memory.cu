// Mutants that touch memory which is not theirs: guards, inputs, or what was never written.
#include "honest.h"

enum class Sin {
  reads_output, reads_workspace, past_activations, past_weights, writes_before_output, writes_behind_output, writes_behind_workspace,
  writes_activations, writes_weights, writes_bias, writes_addend, writes_prepared, reads_b_though_prepared
};
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kPastBytes = 64;  // a cache line beyond the last element: a load too many
constexpr int64_t kStrayBytes = 32;
constexpr float kStray = 12345.0f;

/// Σ over k and 64 bytes more, in which the other factor is masked to zero: right unless NaN lies behind the input.
__device__ double sum_past_end(const honest::Product& p, const honest::Output& at) {
  const assay_cuda_tensor& overrun = kSin == Sin::past_activations ? p.a : p.b;
  const int64_t row = kSin == Sin::past_activations ? at.row : at.column, extra = kPastBytes / honest::element_bytes(overrun);
  double total = honest::sum(p, at, 0, p.k);
  for (int64_t i = p.k; i < p.k + extra; ++i) total += 0.0 * honest::read(overrun, at.batch, row, i);
  return total;
}

__device__ void write_stray(void* address) { *static_cast<volatile float*>(address) = kStray; }
__device__ void spoil(const assay_cuda_tensor& t) { honest::write(t, 0, 0, 0, honest::read(t, 0, 0, 0) + 1.0f); }

/// D is right by now; what one thread does here is the whole sin.
__device__ void misdeed(const honest::Product& p, const assay_cuda_call& call) {
  char* d = static_cast<char*>(p.d.data);
  if constexpr (kSin == Sin::writes_before_output) write_stray(d - kStrayBytes);
  if constexpr (kSin == Sin::writes_behind_output) write_stray(d + p.outputs * honest::element_bytes(p.d) + kStrayBytes);
  if constexpr (kSin == Sin::writes_behind_workspace) write_stray(static_cast<char*>(call.workspace) + call.workspace_bytes + kStrayBytes);
  if constexpr (kSin == Sin::writes_activations) spoil(p.a);
  if constexpr (kSin == Sin::writes_weights) spoil(p.b);
  if constexpr (kSin == Sin::writes_bias) spoil(p.bias);
  if constexpr (kSin == Sin::writes_addend) spoil(p.c);
  if constexpr (kSin == Sin::writes_prepared) spoil(p.b);
}

/// B of f32 as prepare leaves it: one row after another.
__device__ assay_cuda_tensor packed(const honest::Product& p, void* prepared) {
  assay_cuda_tensor b = p.b;
  b.data = prepared;
  b.strides[0] = p.n * p.k;
  b.strides[1] = p.k;
  b.strides[2] = 1;
  return b;
}

ASSAY_PREPARE {
  const honest::Product p = honest::open(call);
  const assay_cuda_tensor to = packed(p, call.prepared);
  const int64_t elements = p.b.dims[0] * p.n * p.k;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < elements; i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t batch = i / (p.n * p.k), row = i / p.k % p.n, column = i % p.k;
    honest::write(to, batch, row, column, honest::read(p.b, batch, row, column));
  }
}

ASSAY_RUN {
  honest::Product p = honest::open(call);
  if constexpr (kSin == Sin::writes_prepared) p.b = packed(p, call.prepared);
  honest::for_outputs(p, p.outputs, [&](const honest::Output& at) {
    float value = 0;
    if constexpr (kSin == Sin::past_activations || kSin == Sin::past_weights)
      value = honest::finish(p, at, sum_past_end(p, at));
    else
      value = honest::value_of(p, at);
    if constexpr (kSin == Sin::reads_output) value += 0.0f * honest::read(p.d, at.batch, at.row, at.column);
    if constexpr (kSin == Sin::reads_workspace) value = static_cast<float*>(call.workspace)[at.index] += value;
    honest::write(p, at, value);
  });
  if (honest::is_last()) misdeed(p, call);
}
