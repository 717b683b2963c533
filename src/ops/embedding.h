// Embedding: rows of a table by their numbers.
#pragma once
#include "spec/op.h"

namespace assay {

extern const Op kEmbedding;

/// D[m, n]: row i is the table's [rows, n] row of the number INDEX[i].
struct Embedding {
  int64_t m = 1, n = 0, rows = 0;
  Dtype b = Dtype::f16, d = Dtype::f32;
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const Embedding& embedding_of(const Spec& spec);

}  // namespace assay
