// RMSNorm: y = x · w / √(mean x² + eps), row by row; x may be a sum that is a result as well.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kRmsNorm;

inline constexpr uint32_t kRmsNormEps = 3;  // OpParam::id

/// D[m,n] = X[m,n] · B[n] / √(Σ X² / n + eps), the sum over a row. X = A; with a residual X = A + C, and D 1 = X.
struct RmsNorm {
  int64_t m = 1, n = 0;
  Dtype a = Dtype::f32, b = Dtype::f32, d = Dtype::f32;  // a: of A, C and D 1
  double eps = 0;
  bool residual = false;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const RmsNorm& rms_norm_of(const Spec& spec);

}  // namespace assay
