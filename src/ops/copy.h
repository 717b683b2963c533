// Copy: values in another order, of another type, or several times.
#pragma once
#include <array>
#include <string>

#include "spec/op.h"

namespace assay {

extern const Op kCopy;

/// D[i0, i1, i2] = A[i0 / repeat, i1, i2] of logical dims [batch · repeat, m, n]. `order` is how A's dims lie in
/// memory, outermost first ("012": dense; "102": m outermost, then the batch); D is dense.
struct Copy {
  int64_t batch = 1, m = 1, n = 1, repeat = 1;
  std::string order = "012";
  Dtype a = Dtype::f32, d = Dtype::f32;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const Copy& copy_of(const Spec& spec);

}  // namespace assay
