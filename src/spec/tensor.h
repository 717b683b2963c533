// Operands in memory: what part each has in an op, its shape, its strides, how its values are stored.
#pragma once
#include <cstddef>
#include <cstdint>

#include "spec/dtype.h"

namespace assay {

/// Memory of a device; on a GPU not to be touched by the host.
using Address = std::byte*;

/// The part that a tensor has in its op: activations, weights, what is added, the output; positions or row numbers
/// (i32), keys and values of earlier tokens, frequency factors. An op that needs another part adds it here and to the
/// ABIs.
enum class Operand : uint32_t { a = 0, b = 1, c = 2, d = 3, bias = 4, index = 5, cache = 6, factors = 7 };
/// blocks: of the tensor's type, one behind the other along a row, as GGUF lays them out.
enum class Storage : uint32_t { strided = 0, blocks = 1, q8_0_split = 2 };

/// What a launch does with an operand, and so what measuring does with it. weight: read once a token, copies of all
/// such rotate together so that they are cold. varied: another one in each sample. constant: the same in all. output:
/// written.
enum class Use { weight, varied, constant, output };

/// One operand in memory: [batch, rows, columns] with strides in elements (in blocks where its storage is blocks).
struct Tensor {
  Operand operand = Operand::a;
  Use use = Use::constant;  // as its op says
  uint32_t segment = 0;
  Dtype dtype = Dtype::f32;
  Storage storage = Storage::strided;
  bool is_read = true;      // by the launch; C that is not (beta = 0) holds NaN
  bool is_sparse = false;   // an output of which a launch writes some rows; the others stay as they are
  bool by_columns = false;  // columns lie together, not rows: strides alone cannot tell that of a single line
  int64_t dims[3] = {1, 1, 1}, strides[3] = {0, 0, 0};
  int64_t bytes = 0, scale_bytes = 0;  // what it takes at data and at scales
  int64_t touched = -1;                // of both, what a launch must read or write; -1: all
  Address data = nullptr, scales = nullptr;

  int64_t touched_bytes() const { return touched < 0 ? bytes + scale_bytes : touched; }
  int64_t values() const { return dims[0] * dims[1] * dims[2]; }
};

/// Rows (or columns) one after another, without a gap; of a quantized type rows of blocks.
Tensor dense_tensor(Operand operand, Dtype dtype, int64_t batch, int64_t rows, int64_t columns,
                    bool by_columns = false);

}  // namespace assay
