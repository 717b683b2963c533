// The list of ops: the one place, beside its own file, where a new op is named.
#include "ops/argmax.h"
#include "ops/attention.h"
#include "ops/copy.h"
#include "ops/embedding.h"
#include "ops/matmul.h"
#include "ops/matmul_swiglu.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"
#include "ops/top_k.h"

namespace assay {

std::span<const Op* const> all_ops() {
  static constexpr const Op* kOps[] = {&kMatmul,    &kRmsNorm, &kSwiglu, &kEmbedding, &kRope,
                                       &kAttention, &kArgmax,  &kTopK,   &kCopy,      &kMatmulSwiglu};
  return kOps;
}

const Op& op_of_readers() { return kMatmul; }

}  // namespace assay
