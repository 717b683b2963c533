// Mutants of all ops that take some operands for dense: shipped kernels, which see bent strides; products by honest.h.
#include "elements.h"
#undef ASSAY_KERNEL_ENTRY
#define ASSAY_KERNEL_ENTRY(...)
#define run run_argmax
#include "argmax.cpp"
#undef run
#define run run_attention
#define workspace_bytes attention_workspace_bytes
#include "attention.cpp"
#undef workspace_bytes
#undef run
#define run run_copy
#include "copy.cpp"
#undef run
#define run run_embedding
#include "embedding.cpp"
#undef run
#define run run_rms_norm
#include "rms_norm.cpp"
#undef run
#define run run_rope
#define workspace_bytes rope_workspace_bytes
#include "rope.cpp"
#undef workspace_bytes
#undef run
#define run run_swiglu
#include "swiglu.cpp"
#undef run
#define run run_top_k
#include "top_k.cpp"
#undef run
#undef ASSAY_KERNEL_ENTRY

#include "honest.h"

namespace {

enum class Sin {
  rows_taken_for_dense,
  output_dense_where_the_input_is,
  caches_taken_for_dense,
  copies_taken_for_dense,
  batches_taken_for_dense,
  addend_spaced_like_the_output
};
constexpr Sin kSin = Sin::MUTANT;

int64_t dense_row(const assay_tensor& t) {
  return t.layout == ASSAY_BLOCKS ? t.dims[2] / assay::block_shape(t.dtype).values : t.dims[2];
}

void make_dense(assay_tensor& t) { t.strides[1] = dense_row(t), t.strides[0] = t.dims[1] * t.strides[1]; }

void bend(assay_tensor& t, const assay_tensor& input, const assay_tensor* output) {
  const bool is_operand = t.role == ASSAY_A || t.role == ASSAY_D || t.role == ASSAY_C;
  if (kSin == Sin::rows_taken_for_dense && is_operand && t.strides[2] == 1) t.strides[1] = dense_row(t);
  if (kSin == Sin::output_dense_where_the_input_is && t.role == ASSAY_D && input.strides[1] == dense_row(input))
    make_dense(t);
  if (kSin == Sin::copies_taken_for_dense && t.role == ASSAY_D) make_dense(t);
  if (kSin == Sin::caches_taken_for_dense && t.role == ASSAY_CACHE) make_dense(t);
  if (kSin == Sin::batches_taken_for_dense && t.strides[2] == 1 && t.strides[1] == dense_row(t)) make_dense(t);
  if (kSin == Sin::addend_spaced_like_the_output && t.role == ASSAY_C)
    t.strides[0] = output->strides[0], t.strides[1] = output->strides[1];
}

size_t workspace_bytes(const assay_call* call, uint32_t threads) {
  if (call->op == ASSAY_ATTENTION) return assay::attention_workspace_bytes(call, threads);
  return call->op == ASSAY_ROPE ? assay::rope_workspace_bytes(call, threads) : 0;
}

int run(const assay_call* call, const assay_thread* thread) {
  assay_tensor tensors[16];
  assay_call bent = *call;
  for (uint32_t i = 0; i < call->tensor_count; ++i) {
    tensors[i] = call->tensors[i];
    bend(tensors[i], *honest::find(call, ASSAY_A), honest::find(call, ASSAY_D));
  }
  bent.tensors = tensors;
  switch (call->op) {
    case ASSAY_ARGMAX:
      return assay::run_argmax(&bent, thread);
    case ASSAY_ATTENTION:
      return assay::run_attention(&bent, thread);
    case ASSAY_COPY:
      return assay::run_copy(&bent, thread);
    case ASSAY_EMBEDDING:
      return assay::run_embedding(&bent, thread);
    case ASSAY_RMS_NORM:
      return assay::run_rms_norm(&bent, thread);
    case ASSAY_ROPE:
      return assay::run_rope(&bent, thread);
    case ASSAY_SWIGLU:
      return assay::run_swiglu(&bent, thread);
    case ASSAY_TOP_K:
      return assay::run_top_k(&bent, thread);
    default:
      honest::compute(honest::open(&bent), thread);
      return ASSAY_OK;
  }
}

}  // namespace

MUTANT_ENTRY(run, workspace_bytes, nullptr, nullptr)
