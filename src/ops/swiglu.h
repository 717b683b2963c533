// SwiGLU: D = gate / (1 + exp(-gate)) · up, value by value.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kSwiglu;

/// A 0 = gate, A 1 = up, D: [m, n].
struct Swiglu {
  int64_t m = 1, n = 0;
  Dtype a = Dtype::f32, d = Dtype::f32;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const Swiglu& swiglu_of(const Spec& spec);

/// What one value, gate · sigmoid(gate) · up, must be, and how far off a kernel's exp in f32 may be, rounding to `d`
/// included.
ExpectedValue swiglu_value(double gate, double value, double up, Dtype d);

}  // namespace assay
