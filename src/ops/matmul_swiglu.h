// Gate and up in one product with SwiGLU behind it: D = swiglu of A · gate and A · up.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kMatmulSwiglu;

/// D[m,n] = g / (1 + exp(-g)) · u with g = A[m,k] · B 0[n,k]ᵀ and u = A · B 1ᵀ: weights lie n×k, as files have them.
struct MatmulSwiglu {
  int64_t m = 1, n = 0, k = 0;
  Dtype a = Dtype::f32, b = Dtype::f16, d = Dtype::f32;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const MatmulSwiglu& matmul_swiglu_of(const Spec& spec);

}  // namespace assay
