// The matrix product: its fields as a struct, its operands, what it costs.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "spec/op.h"

namespace assay {

extern const Op kMatmul;

enum MatmulParam : uint32_t { kMatmulAlpha = 1, kMatmulBeta = 2 };  // OpParam::id

/// D[batch][m,n] = alpha * op(A)[m,k] * op(B)[k,n] + beta * C[m,n] (+ bias[n]); beta = 0 never reads C.
/// With a residual R: beta = 1 and C = R, which is never where D is.
struct Matmul {
  int64_t batch = 1, m = 1, n = 0, k = 0;                // n is the sum over segments where there are any
  std::vector<Segment> segments;                         // empty unless fused
  bool tA = false, tB = false;                           // tB: B is stored n×k row-major. Fused specs: B is n×k
  Dtype a = Dtype::f16, b = Dtype::f16, d = Dtype::f16;  // activations; weights; output, C and bias
  std::string loader;  // "", "dense", or "q8nk_split" (n×k Q8_0, int8 values and f16 scales apart, whatever tB says)
  double alpha = 1, beta = 0;
  bool bias = false, accumulate = false;
  bool residual = false;  // C is one: beta is 1

  /// Whether B lies n×k in memory (tB, fused, or a loader that says so).
  bool b_is_nk() const { return tB || !segments.empty() || split_q8(); }
  bool split_q8() const { return loader == "q8nk_split"; }
};

/// Of a spec of this op; valid as long as the spec or a copy of it.
const Matmul& matmul_of(const Spec& spec);

/// The same with about one of so many of its columns of D, 128 at least and of each segment; a multiple of what powers
/// of two theirs are (of up to 256). Nothing where that is more than half.
std::optional<Spec> with_fewer_columns(const Spec& spec, int64_t of);

}  // namespace assay
