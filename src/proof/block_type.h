// Which type of a GGUF file an element type is.
#pragma once
#include <array>

#include "model/tensor_type.h"
#include "spec/dtype.h"

namespace assay {

/// Of a type of values. They have the same names, which are compared once: for each row of blocks that would take as
/// long as to decode a short one.
inline TensorType block_type(Dtype dtype) {
  static const std::array types = [] {
    std::array<TensorType, 16> by_number{};
    for (const DtypeFacts& type : all_dtypes()) by_number.at(size_t(type.dtype)) = *parse_tensor_type(type.name);
    return by_number;
  }();
  return types.at(size_t(dtype));
}

}  // namespace assay
