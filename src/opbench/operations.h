// The operations that are compared: what each means, in one way for all frameworks, and the rows that are measured.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// Those of seed 004 in its order, and two more.
enum class Operation {
  argmax,
  bce,
  concat,
  conv1d,
  conv2d,
  gather,
  leaky_relu,
  linear,
  matmul,
  prelu,
  relu,
  scatter,
  scatter_sum,
  scatter_max,
  selu,
  sigmoid,
  softmax,
  softplus,
  sort,
  sum,
  sum_all,
  layer_norm,
  attention
};

using Dims = std::vector<int64_t>;

enum class ValueType { f32, i64 };

/// Where the values of an input are drawn from. spread: [-12, 12) with some of ±40; index: [0, limit).
enum class Draw { symmetric, positive, probability, spread, index };

struct OperationOperand {
  std::string name;
  ValueType type = ValueType::f32;
  Dims dims;
  Draw draw = Draw::symmetric;
  int64_t limit = 0;

  int64_t elements() const {
    int64_t count = 1;
    for (const int64_t size : dims) count *= size;
    return count;
  }
  int64_t bytes() const { return elements() * (type == ValueType::f32 ? 4 : 8); }
};

/// One row of the table: an operation on operands of given sizes, all contiguous with the last dimension innermost.
struct OperationRow {
  Operation operation = Operation::relu;
  std::string name;   // "Softmax / dim=64x1000000 axi=-1", as the seed writes it
  std::string group;  // "Softmax"
  size_t axis = 0;    // of the first input, where the operation has one
  std::vector<OperationOperand> inputs;
  OperationOperand output;
  int64_t bytes_read = 0, bytes_written = 0;  // what any way to compute it must move
  int64_t flops = 0;
  int64_t scratch_bytes = 0;  // what frameworks were seen to take beside operands, at most
  bool of_seed = true;

  const Dims& shape() const { return inputs[0].dims; }
  /// Whether arithmetic, not memory, decides how fast it can be: above some 40 flops a byte on the CPUs of today.
  bool is_compute_bound() const { return flops > 40 * (bytes_read + bytes_written); }
};

/// An operation in words.
struct OperationMeaning {
  Operation operation;
  const char* name;     // "Softmax"
  const char* meaning;  // axis, layout, index range, what duplicates do
  const char* bound;    // how far an element may be off
};

const std::vector<OperationMeaning>& operation_meanings();
const OperationMeaning& meaning_of(Operation operation);

/// The seed's 85 rows in its order, then LayerNorm and Attention.
const std::vector<OperationRow>& operation_rows();

/// The row of a name in the seed's grammar: "MatMul / dim=8x16 dim=16x4". Error with what is wrong in it.
OperationRow parse_operation_row(const std::string& name);

}  // namespace assay
