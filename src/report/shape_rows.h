// Shapes as rows of a table: a shape on a backend, or shapes that differ in one size alone, all their calls together.
#pragma once
#include <string>
#include <vector>

#include "analysis/shapes.h"

namespace assay {

/// What one row of the table shows: a shape on a backend, or shapes that differ in one size alone, all calls together.
struct ShapeRow {
  const Shape* shape;
  std::string label, backend;
  size_t folded;  // how many shapes; 0: one, as it is
  bool by_gpu;
  double calls, op_us, time_us, bytes, flops, to_win_ms;  // sums over the calls; bytes 0: unknown
};

/// "matmul M:1 N:9728 K:896 q8_0"; a line that is no spec as it is.
std::string short_shape(const Shape& shape);

/// Longest total first. Eight shapes or more that differ in n alone, or in k alone, are one row.
std::vector<ShapeRow> folded_rows(const ShapeReport& report);

}  // namespace assay
