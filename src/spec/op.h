// What an op is: tables that say how its specs are written and what its operands are for, and a few functions.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/accuracy.h"
#include "spec/op_sweep.h"
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

inline constexpr double kToleranceC = 2.0;  // how often the share of the accumulator may be had (proof/validator.h)

/// A value that an output must have, and how far off it may be: fixed + c · free, c = kToleranceC. Of i32 both are 0.
/// variance: of what an accuracy class rounds away before, where that is known; 0 in class exact.
struct ExpectedValue {
  double value = 0, fixed = 0, free = 0, variance = 0;
};

/// What one output must hold: all of it; of a sparse one the elements [first, end) of `written`, one range after
/// another.
struct ExpectedOutput {
  std::vector<ExpectedValue> values;
  std::vector<std::pair<int64_t, int64_t>> written;
};

/// The operands of one launch of an op that is proved element by element.
struct OpValues {
  std::span<const Tensor> tensors;  // the spec's; what is read has its address on the host
  /// How the proof decodes a row of one of them, and how its second opinion does a single value.
  void (*decode_row)(const Tensor& t, int64_t batch, int64_t row, std::vector<float>& to);
  double (*decode_one)(const Tensor& t, int64_t batch, int64_t row, int64_t column);
  double rounding = 0;  // unit roundoff that the accuracy class allows for activations
  Accuracy accuracy = Accuracy::exact;

  const Tensor& of(Operand operand, uint32_t segment = 0) const;
  bool has(Operand operand) const;
  std::vector<float> row(const Tensor& t, int64_t batch, int64_t row) const;
  int64_t index(int64_t at) const;  // of the index operand
};

/// What was drawn for a launch's varied operands; or which of the op's special ones it gets.
struct OpDraw {
  uint64_t random = 0;
  int special = -1;
  bool is_grouped = false;  // of an op with groups: what it needs of a copy's weights has been added up before
};

/// A field whose number every launch hands over (Spec::params); as `neutral` a kernel need not read it.
struct OpNumber {
  std::string_view field;
  std::optional<double> neutral = {};
};

/// How an op whose right answers take long gets them for grouped draws: columns share a sign with every kGroups-th one,
/// and what each group adds up to is kept, for every copy of the weights. Of other draws single elements are computed.
struct OpGroups {
  /// Of one copy, from the operands of the grouped draw 0; and what rounding activations adds, for each of the classes.
  std::vector<float> (*add_up)(const Spec& spec, const OpValues& in, std::span<const Accuracy> classes);
  /// As Op::expected, for such a draw.
  void (*expected)(const Spec& spec, const OpDraw& draw, std::span<const float> sums, std::span<const Accuracy> classes,
                   Accuracy accuracy, std::span<ExpectedOutput> outputs);
  /// Single elements of the only output, for any draw.
  std::vector<ExpectedValue> (*expected_some)(const Spec& spec, const OpValues& in, std::span<const int64_t> elements);
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
  std::span<const OpNumber> numbers = {};  // which another layer, or model, may have others of
  bool ends_product = false;  // no product itself: what becomes of products with weights, in the same launch

  /// Whether right answers of this special draw may be infinite: nothing is scanned or projected there, all is
  /// compared.
  bool may_be_infinite(int special) const { return special >= 0 && special == infinite_special; }

  /// Whether its time is that of multiplying weights, and its class one of activations.
  bool multiplies_weights() const { return is_product || ends_product; }

  /// Fills in what a spec says beyond its fields. Error names the field.
  void (*interpret)(const FieldReader& line, Spec& spec);
  /// Its operands, addresses unset.
  std::vector<Tensor> (*tensors)(const Spec& spec);
  // Of ops that are no products:
  int specials;                      // how many special draws it has
  int infinite_special = -1;         // the one of them whose right answers are infinite, some or all
  bool keeps_signs_of_zero = false;  // a zero that is copied stays the zero that it is
  /// The varied operands of a launch (in the spec's order, values in logical order) out of their base values: what was
  /// right before must be wrong now. Those of i32 get their values here.
  void (*vary)(const Spec& spec, const OpDraw& draw, std::span<std::vector<double>> varied);
  /// Of each output, in the spec's order. c·free is what adding in f32 may be off by, fixed the output's rounding.
  void (*expected)(const Spec& spec, const OpValues& in, std::span<ExpectedOutput> outputs);
  /// One element of an output once more, by other code.
  long double (*second_opinion)(const Spec& spec, const OpValues& in, size_t output, int64_t element);
  const OpGroups* groups = nullptr;
  const OpSweep* sweep = nullptr;  // rows, places or positions, tried one after another
  /// Makes the capacity of a cache larger, which an engine's becomes. Null: it has none that is written.
  void (*enlarge)(Spec& spec, int64_t capacity) = nullptr;
};

/// As messages say it: "D", or "D1" where there are several of that part.
std::string operand_text(const Spec& spec, const Tensor& t);

/// The same with half of each of its op's numbers that a kernel has to read. Nothing if there is none.
std::optional<Spec> with_other_numbers(const Spec& spec);

/// Every op there is (src/ops/ops.cpp has the list).
std::span<const Op* const> all_ops();
/// Of the maths ("matmul"), or of a name as engines write it ("matmul_cache"); null if there is none.
const Op* find_op(std::string_view name);
const Op& op_of(uint32_t id);
/// What ceilings and readers are launched as: they see a matrix B.
const Op& op_of_readers();

}  // namespace assay
