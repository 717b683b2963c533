// embedding_packs: a thread a few neighbouring values of a row; the type of the table is known to the compiler.
#define ASSAY_BOUNDS __launch_bounds__(THREADS)
#include "blocks.h"
#include "packs.h"

namespace assay {

/// A type of blocks.
template <int kType>
struct Blocks {};

template <class D, int kType>
__device__ __forceinline__ void copy(const void* table, int64_t row, int columns, int at, D* d, Blocks<kType>) {
  const BlockShape shape = block_shape(kType);
  const uint8_t* block = static_cast<const uint8_t*>(table) + (row * (columns / shape.values) + at / shape.values) * shape.bytes;
  float values[VALUES];
#pragma unroll
  for (int i = 0; i < VALUES; ++i) values[i] = block_value(kType, block, at % shape.values + i);
  store_pack(d, values);
}

template <class D, class B>
__device__ __forceinline__ void copy(const void* table, int64_t row, int columns, int at, D* d, B) {
  const B* from = static_cast<const B*>(table) + row * columns + at;
  if (columns % VALUES == 0) {
    float values[VALUES];
    load_pack(from, values);
    return store_pack(d, values);
  }
  for (int i = 0; i < VALUES && at + i < columns; ++i) d[i] = from_float<D>(to_float(from[i]));
}

template <class B, class D>
__device__ __forceinline__ void embed(const assay_cuda_call& call) {
  let_next_begin();
  const assay_cuda_operands& in = call.operands;
  const int of_row = (in.columns + THREADS * VALUES - 1) / (THREADS * VALUES);  // blocks
  const int row = int(blockIdx.x) / of_row, at = (int(blockIdx.x) % of_row * THREADS + int(threadIdx.x)) * VALUES;
  if (at >= in.columns) return;
  wait_for_previous();
  copy(in.data[0], static_cast<const int32_t*>(in.data[1])[row], in.columns, at,
       static_cast<D*>(in.data[2]) + int64_t(row) * in.columns + at, B());
}

}  // namespace assay

#define ASSAY_EMBED(b, d, B, D) \
  extern "C" __global__ void ASSAY_BOUNDS run_##b##_##d(const __grid_constant__ assay_cuda_call call) { assay::embed<B, D>(call); }
#define ASSAY_EMBED_OF(b, B) \
  ASSAY_EMBED(b, f32, B, float) ASSAY_EMBED(b, f16, B, assay::Half) ASSAY_EMBED(b, bf16, B, assay::Bfloat)
ASSAY_EMBED_OF(f32, float)
ASSAY_EMBED_OF(f16, assay::Half)
ASSAY_EMBED_OF(bf16, assay::Bfloat)
ASSAY_EMBED_OF(q8_0, assay::Blocks<ASSAY_CUDA_Q8_0>)
ASSAY_EMBED_OF(q4_0, assay::Blocks<ASSAY_CUDA_Q4_0>)
ASSAY_EMBED_OF(q4_1, assay::Blocks<ASSAY_CUDA_Q4_1>)
ASSAY_EMBED_OF(q5_0, assay::Blocks<ASSAY_CUDA_Q5_0>)
ASSAY_EMBED_OF(q5_1, assay::Blocks<ASSAY_CUDA_Q5_1>)
ASSAY_EMBED_OF(q4_k, assay::Blocks<ASSAY_CUDA_Q4_K>)
ASSAY_EMBED_OF(q5_k, assay::Blocks<ASSAY_CUDA_Q5_K>)
ASSAY_EMBED_OF(q6_k, assay::Blocks<ASSAY_CUDA_Q6_K>)
