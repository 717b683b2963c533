// What an op is: tables that say how its specs are written and what its operands are for, and a few functions.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "spec/spec.h"
#include "spec/tensor.h"

namespace assay {

class FieldReader;

/// The op as an engine writes it ("matmul_cache"), and the fields that this name makes obligatory ("alpha beta").
struct OpName {
  std::string_view name, needs;
};

/// One field of a spec line: its name ("n#": n0, n1, …), and what it must say.
struct OpField {
  std::string_view name, says;
  bool required = false;
  bool may_be_open = false;  // "?" will do in a line with segments
  bool is_segment = false;   // names one of several outputs
};

struct OpOperand {
  Operand operand;
  Use use;
  std::string_view name;        // as messages say it: "C"
  bool types_entries = false;   // its type is part of the names of typed entries (run_nt_f16_q8_0_f16)
  bool orders_entries = false;  // … and so is whether its rows (n) or its columns (t) lie together
};

/// A size that manifests and `--shape` may use: dimension `dim` of an operand, added up over segments.
struct OpSize {
  std::string_view name;
  Operand operand;
  int dim;
};

/// A value that D must have, and how far off it may be: fixed + c · free, as in the validator's bound.
struct ExpectedValue {
  double value = 0, fixed = 0, free = 0;
};

/// Decoded operands of one launch of an op that is proved element by element.
struct OpValues {
  std::span<const double> a;  // [batch, rows, columns] in logical order
  std::span<const float> b;   // of its weights, likewise
};

/// One op. A launch carries its id; kernels see that id in their call.
struct Op {
  std::string_view name;
  uint32_t id;  // assay_op, assay_cuda_op
  std::span<const OpName> names;
  std::span<const OpField> fields;  // the first are those of every line, in the order in which they are asked for
  std::span<const OpOperand> operands;
  std::span<const OpSize> sizes;
  std::span<const std::string_view> features;  // what a manifest may say that a family supports, beside types and sizes
  bool is_product;  // D is linear in A and in B: proved by projections (proof/reference.h); else `expected` is it

  /// Fills in what a spec says beyond its fields. Error names the field.
  void (*interpret)(const FieldReader& line, Spec& spec);
  /// Its operands, addresses unset.
  std::vector<Tensor> (*tensors)(const Spec& spec);
  // Of ops that are no products:
  /// A of a launch, out of A's base values and a number drawn for it: what was right before must be wrong now.
  void (*vary)(const Spec& spec, uint64_t drawn, std::vector<double>& a);
  /// All of D. c·free is what adding in f32 may be off by, fixed the output's rounding.
  void (*expected)(const Spec& spec, const OpValues& in, std::vector<ExpectedValue>& d);
  /// One element once more, by other code.
  long double (*second_opinion)(const Spec& spec, const OpValues& in, int64_t element);
};

/// Every op there is (src/ops/ops.cpp has the list).
std::span<const Op* const> all_ops();
/// Of the maths ("matmul"), or of a name as engines write it ("matmul_cache"); null if there is none.
const Op* find_op(std::string_view name);
const Op& op_of(uint32_t id);
/// What ceilings and readers are launched as: they see a matrix B.
const Op& op_of_readers();

}  // namespace assay
