// Values as floats, many at a time; of B a row or a column, exact for every weight type.
#pragma once
#include <cstdint>
#include <vector>

#include "base/clones.h"
#include "spec/tensor.h"

namespace assay {

/// `count` values of a dense type that lie one after another.
void decode_values(Dtype dtype, const std::byte* from, int64_t count, float* to);
/// Row n of B in logical order: k values.
void decode_row(const Tensor& b, int64_t batch, int64_t n, std::vector<float>& row);
/// Rows of one batch of B, asked for in order. Where columns are what lies together, many rows are decoded at once.
class RowReader {
 public:
  RowReader(const Tensor& b, int64_t batch) : b_(b), batch_(batch) {}
  /// Valid until the next call.
  const float* row(int64_t n);

 private:
  void decode_tile(int64_t first);

  const Tensor& b_;
  int64_t batch_, tile_ = -1;  // the first row of the tile
  std::vector<float> row_, tile_rows_;
};

/// Column k of B: n values. For B that is stored so ("NN"), where a row would be read with a stride.
void decode_column(const Tensor& b, int64_t batch, int64_t k, std::vector<float>& column);

}  // namespace assay
