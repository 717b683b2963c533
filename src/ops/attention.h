// Attention: queries against the keys and values of all tokens so far.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kAttention;

inline constexpr uint32_t kAttentionScale = 7;  // OpParam::id

/// D [m, heads·size] = softmax(scale · q·keys) · values; A = q [m, heads·size]; CACHE 0 = keys, 1 = values
/// [kv_heads, capacity, size]. Row i sees position + i + 1 rows; the last one `length`. heads/kv_heads heads share
/// keys.
struct Attention {
  int64_t m = 1, heads = 1, kv_heads = 1, size = 1, length = 1, capacity = 1;
  Dtype a = Dtype::f32, cache = Dtype::f16, d = Dtype::f32;
  double scale = 1;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const Attention& attention_of(const Spec& spec);

}  // namespace assay
