// What is to be computed: an op with its fields, sizes and operands; its one-line text.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/tensor.h"

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

/// A number of the op that every launch hands to the kernel, by its id there (kernels/cpu/assay_kernel.h).
struct OpParam {
  uint32_t id = 0;
  double value = 0;
  bool operator==(const OpParam&) const = default;
};

/// What a family must say that it supports, by a name of its op's features, and the words if it does not.
struct SpecNeed {
  std::string_view feature;  // "bias"
  std::string otherwise;     // "has a bias, supports none"
};

struct Op;

/// What is to be computed: an op, its fields, and what they say in terms that fit every op. What they say beyond that
/// the op itself knows (matmul_of() in ops/matmul.h).
struct Spec {
  const Op* op = nullptr;
  std::string op_name;                                 // as the engine wrote it: matmul_cache, matmul_bias_add, …
  std::vector<std::pair<std::string, int64_t>> sizes;  // m, n, k, batch: n is the sum over segments
  std::vector<Segment> segments;                       // empty unless fused
  std::string layout, loader;                          // "nt": A then B, as they lie in memory; "dense", or ""
  std::vector<SpecNeed> needs;
  std::vector<OpParam> params;
  std::vector<Tensor> tensors;  // its operands with their shapes, strides and sizes, addresses unset
  int64_t flops = 0;
  std::string shape;  // "M:1 N:9728 K:896" (with B:14 where batched): the seeds' progress form
  SpecFields math;    // canonical: equal for lines that compute the same thing (no `_cache`, no notes)
  SpecFields fields;  // as written, after completion
  std::vector<std::string>
      completion;                   // "dtA=f16: why", the rules that gave what its source lacks; no part of the maths
  std::shared_ptr<const void> own;  // the op's own view of the fields

  /// The line as written; parse_spec(line()) gives the same spec.
  std::string line() const { return print_spec_fields(fields); }
  /// The canonical line of the maths and storage alone.
  std::string math_line() const { return print_spec_fields(math); }
  const std::string& short_name() const { return shape; }
  /// "M:1 N:9728 K:896 NT": with the layout where there is one output.
  std::string short_name_with_layout() const;

  int64_t size(std::string_view name) const;  // 1 if it has no such size
  /// Of the (first) operand of that part; nothing if it has none.
  std::optional<Dtype> dtype(Operand operand) const;
  /// What all its operands of that part take, scales included; of that use.
  int64_t bytes(Operand operand) const;
  int64_t bytes(Use use) const;
  /// What is read once a token, and how many values that is.
  int64_t weight_bytes() const;
  int64_t weight_values() const;
  /// All that a launch must read and write.
  int64_t min_bytes() const;
  /// What its floor counts: what must be read of the weights (cold), and of an op that is no product all the rest as
  /// well (hot).
  int64_t cold_bytes() const;
  int64_t hot_bytes() const;
  int64_t written_bytes() const;  // a part of the hot ones
  int64_t floor_bytes() const { return cold_bytes() + hot_bytes(); }
};

/// The spec of complete fields. Error names the field: missing, unknown, not a number, k = 0, sizes that overflow 2^47
/// bytes, quantized weights with k not a multiple of their block, a contradiction. `where` ("file:line" or "--spec")
/// leads the message.
Spec make_spec(const SpecFields& fields, const std::string& where);
inline Spec parse_spec(std::string_view line, const std::string& where = "spec") {
  return make_spec(parse_spec_fields(line, where), where);
}

/// What a line of its op still lacks, in the grammar's order: absent fields, and `?` where only a fused line may have
/// it.
std::vector<std::string> missing_fields(const SpecFields& fields);

/// Every field name of every op but the segments' n0, n1, …
const std::vector<std::string>& spec_field_names();

/// A line whose values may be ranges ("n=16..96" or "n=16..96..8"), as every line it stands for, in order. At most
/// 4,096.
std::vector<SpecFields> expand_ranges(const SpecFields& fields, const std::string& where);

}  // namespace assay
