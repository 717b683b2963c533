// Rotary positions: q turned, and k turned and v written into the cache.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kRope;

inline constexpr uint32_t kRopeBase = 4, kRopeDimensions = 5, kRopeStyle = 6;  // OpParam::id

/// A 0 = q [m, heads·size], A 1 = k, A 2 = v [m, kv_heads·size]; D = q turned; rows position … of CACHE 0 and 1
/// [kv_heads, capacity, size] = k turned and v. Of each head the first `dimensions` values turn, by pairs.
struct Rope {
  int64_t m = 1, heads = 1, kv_heads = 1, size = 2, dimensions = 2, capacity = 1;
  double base = 10000;
  bool pairs = false;    // values 2j and 2j + 1 turn together; else j and j + dimensions/2 ("neox")
  bool factors = false;  // frequencies are divided by an operand
  Dtype a = Dtype::f32, cache = Dtype::f16, d = Dtype::f32;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const Rope& rope_of(const Spec& spec);

}  // namespace assay
