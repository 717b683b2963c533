// Top k: the largest values of a row and their places.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kTopK;

/// Of each row of A [m, n] the k largest values, largest first (D 0 [m, k]), and their places (D 1 [m, k], i32). Of
/// equal values the earlier one is first.
struct TopK {
  int64_t m = 1, n = 0, k = 1;
  Dtype a = Dtype::f32;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const TopK& top_k_of(const Spec& spec);

}  // namespace assay
