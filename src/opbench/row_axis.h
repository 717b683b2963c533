// An axis of a contiguous tensor, as the loops of operations see it.
#pragma once
#include <cstdint>

#include "opbench/operations.h"

namespace assay {

/// Element (o, j, i) lies at (o·count + j)·inner + i.
struct AxisShape {
  int64_t outer = 1, count = 1, inner = 1;
};

inline AxisShape axis_shape(const Dims& dims, size_t axis) {
  AxisShape shape;
  for (size_t i = 0; i < dims.size(); ++i) (i < axis ? shape.outer : i == axis ? shape.count : shape.inner) *= dims[i];
  return shape;
}

}  // namespace assay
