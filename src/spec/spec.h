// What is to be computed: one product with its shape, types, loader, epilogue; its one-line text.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/dtype.h"

namespace assay {

/// The fields of one spec line in the order written, values as written: what makes parse and print lossless.
using SpecFields = std::vector<std::pair<std::string, std::string>>;

/// Splits "op=matmul | batch=1 | …" (a final ':' is dropped). Error on an empty part, a part without '=', or a key
/// twice.
SpecFields parse_spec_fields(std::string_view line, const std::string& where = "spec");
std::string print_spec_fields(const SpecFields& fields);

/// One of several outputs that share A and k: weights [n, k], output [n].
struct Segment {
  std::string name;  // n0, n1 or nq, nk, nv
  int64_t n = 0;
  bool operator==(const Segment&) const = default;
};

/// D[batch][m,n] = alpha * op(A)[m,k] * op(B)[k,n] + beta * C[m,n] (+ bias[n]); beta = 0 never reads C.
struct Spec {
  std::string op;                                        // the maths: "matmul"
  std::string op_name;                                   // as the engine wrote it: matmul_cache, matmul_bias_add, …
  int64_t batch = 1, m = 1, n = 0, k = 0;                // n is the sum over segments where there are any
  std::vector<Segment> segments;                         // empty unless fused
  bool tA = false, tB = false;                           // tB: B is stored n×k row-major. Fused specs: B is n×k
  Dtype a = Dtype::f16, b = Dtype::f16, d = Dtype::f16;  // activations; weights; output, C and bias
  std::string loader;  // "", "dense", or "q8nk_split" (n×k Q8_0, int8 values and f16 scales apart, whatever tB says)
  double alpha = 1, beta = 0;
  bool bias = false, accumulate = false;
  SpecFields fields;  // as written, after completion
  std::vector<std::string>
      completion;  // "dtA=f16: why", the rules that gave what its source lacks; no part of the maths

  /// Whether B lies n×k in memory (tB, fused, or a loader that says so).
  bool b_is_nk() const;
  bool split_q8() const { return loader == "q8nk_split"; }

  /// The line as written; parse_spec(line()) gives the same spec.
  std::string line() const { return print_spec_fields(fields); }
  /// The canonical line of the maths and storage alone: equal for lines that compute the same thing (no `_cache`, no
  /// notes).
  std::string math_line() const;
  /// "M:1 N:9728 K:896" (with B:14 where batched): the seeds' progress form.
  std::string short_name() const;

  int64_t a_bytes() const;  // of op(A), all batches
  int64_t b_bytes() const;  // of B, all batches and segments
  int64_t d_bytes() const;
  int64_t bias_bytes() const;  // 0 without bias
  int64_t c_bytes() const;     // 0 where beta = 0
  int64_t min_bytes() const { return a_bytes() + b_bytes() + c_bytes() + bias_bytes() + d_bytes(); }
  int64_t flops() const { return 2 * batch * m * n * k; }
};

/// The spec of complete fields. Error names the field: missing, unknown, not a number, k = 0, sizes that overflow 2^47
/// bytes, q8_0 with k not a multiple of 32, a contradiction. `where` ("file:line" or "--spec") leads the message.
Spec make_spec(const SpecFields& fields, const std::string& where);
inline Spec parse_spec(std::string_view line, const std::string& where = "spec") {
  return make_spec(parse_spec_fields(line, where), where);
}

/// What a line of its op still lacks, in the grammar's order: absent fields, and `?` where only a fused line may have
/// it.
std::vector<std::string> missing_fields(const SpecFields& fields);

/// Every field name of the grammar but the segments' n0, n1, …
const std::vector<std::string>& spec_field_names();

/// A line whose values may be ranges ("n=16..96" or "n=16..96..8"), as every line it stands for, in order. At most
/// 4,096.
std::vector<SpecFields> expand_ranges(const SpecFields& fields, const std::string& where);

}  // namespace assay
