// The honest matmul that every CUDA mutant starts from: elements of any type, shares of the threads, epilogue, the
// number of the call.
#pragma once
#include "device.h"

namespace honest {

/// The call with its tensors by value, so that a mutant can bend a view and leave the harness's own alone.
struct Product {
  assay_cuda_tensor a, b, c, d, bias;
  double alpha, beta;
  int64_t m, n, k, outputs;
};

__device__ inline Product open(const assay_cuda_call& call) {
  const assay_cuda_segment& s = call.matmul.segment[0];
  const int64_t m = s.d.dims[1], n = s.d.dims[2];
  return {call.matmul.a, s.b, s.c, s.d, s.bias, call.params[0].value, call.params[1].value, m, n, call.matmul.a.dims[2], s.d.dims[0] * m * n};
}

__device__ inline int64_t element_bytes(const assay_cuda_tensor& t) { return t.dtype == ASSAY_CUDA_F16 ? 2 : 4; }

/// A Q8_0 weight's scale (the bits of a half) and integer, from blocks of 34 bytes or apart.
struct Quantized {
  uint16_t scale;
  int8_t value;
};
__device__ inline Quantized quantized_at(const assay_cuda_tensor& b, int64_t batch, int64_t row, int64_t column) {
  if (b.layout == ASSAY_CUDA_Q8_0_SPLIT)
    return {static_cast<const uint16_t*>(b.scales)[(batch * b.dims[1] + row) * (b.dims[2] / 32) + column / 32],
            *assay::element<int8_t>(b, batch, row, column)};
  const char* block = static_cast<const char*>(b.data) + 34 * (batch * b.strides[0] + row * b.strides[1] + column / 32);
  return {*reinterpret_cast<const uint16_t*>(block), int8_t(block[2 + column % 32])};
}

__device__ inline float read(const assay_cuda_tensor& t, int64_t batch, int64_t row, int64_t column) {
  if (t.dtype == ASSAY_CUDA_Q8_0) {
    const Quantized q = quantized_at(t, batch, row, column);
    return assay::to_float(assay::Half{q.scale}) * float(q.value);
  }
  if (t.dtype == ASSAY_CUDA_F16) return assay::to_float(*assay::element<assay::Half>(t, batch, row, column));
  if (t.dtype == ASSAY_CUDA_BF16) return assay::to_float(*assay::element<assay::Bfloat>(t, batch, row, column));
  return *assay::element<float>(t, batch, row, column);
}

__device__ inline void write(const assay_cuda_tensor& t, int64_t batch, int64_t row, int64_t column, float value) {
  if (t.dtype == ASSAY_CUDA_F16)
    *const_cast<assay::Half*>(assay::element<assay::Half>(t, batch, row, column)) =
        assay::from_float<assay::Half>(value);
  else
    *const_cast<float*>(assay::element<float>(t, batch, row, column)) = value;
}

/// One element of D: its place among all of them, and [batch, row, column].
struct Output {
  int64_t index, batch, row, column;
};
__device__ inline Output output_at(const Product& p, int64_t index) {
  return {index, index / (p.m * p.n), index / p.n % p.m, index % p.n};
}

/// Σ a·b over [k_begin, k_end), in double: what a mutant gets wrong is then its sin alone, never a rounding.
__device__ inline double sum(const Product& p, const Output& at, int64_t k_begin, int64_t k_end) {
  double total = 0;
  for (int64_t i = k_begin; i < k_end; ++i)
    total += double(read(p.a, at.batch, at.row, i)) * read(p.b, at.batch, at.column, i);
  return total;
}

/// alpha·sum + beta·C + bias.
__device__ inline float finish(const Product& p, const Output& at, double total) {
  double value = p.alpha * total;
  if (p.beta != 0) value += p.beta * read(p.c, at.batch, at.row, at.column);
  if (p.bias.data) value += read(p.bias, 0, 0, at.column);
  return float(value);
}
__device__ inline float value_of(const Product& p, const Output& at) { return finish(p, at, sum(p, at, 0, p.k)); }
__device__ inline void write(const Product& p, const Output& at, float value) {
  write(p.d, at.batch, at.row, at.column, value);
}

/// This thread's outputs among [0, end).
template <typename Function>
__device__ inline void for_outputs(const Product& p, int64_t end, Function function) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < end; i += int64_t(gridDim.x) * blockDim.x)
    function(output_at(p, i));
}
__device__ inline void compute(const Product& p) {
  for_outputs(p, p.outputs, [&](const Output& at) { write(p, at, value_of(p, at)); });
}

/// Lives as long as the module: what cheats remember by.
__device__ unsigned long long blocks_entered, blocks_done;

/// The number of this launch, 0, 1, …: every block takes one ticket. For all threads of the block.
__device__ inline int64_t call_number() {
  __shared__ unsigned long long number;
  if (threadIdx.x == 0) number = atomicAdd(&blocks_entered, 1ull) / gridDim.x;
  __syncthreads();
  return int64_t(number);
}

/// True for one thread of the launch, when everything else of it is done.
__device__ inline bool is_last() {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(&blocks_done, 1ull) % gridDim.x == gridDim.x - 1;
  __syncthreads();
  return last && threadIdx.x == 0;
}

}  // namespace honest
