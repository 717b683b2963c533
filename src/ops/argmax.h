// Argmax: the place of a row's largest value.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kArgmax;

/// D[m, 1] i32: of each row of A [m, n] the place of its largest value; of equal ones the first.
struct Argmax {
  int64_t m = 1, n = 0;
  Dtype a = Dtype::f32;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const Argmax& argmax_of(const Spec& spec);

}  // namespace assay
