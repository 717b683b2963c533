// Which type of a GGUF file the blocks of an element type are.
#pragma once
#include "model/tensor_type.h"
#include "spec/dtype.h"

namespace assay {

/// The types have the same names; to look them up for each row would take as long as to decode a short one.
inline TensorType block_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::q8_0:
      return TensorType::q8_0;
    case Dtype::q4_0:
      return TensorType::q4_0;
    case Dtype::q4_1:
      return TensorType::q4_1;
    case Dtype::q5_0:
      return TensorType::q5_0;
    case Dtype::q5_1:
      return TensorType::q5_1;
    case Dtype::q4_k:
      return TensorType::q4_k;
    case Dtype::q5_k:
      return TensorType::q5_k;
    case Dtype::q6_k:
      return TensorType::q6_k;
    default:
      return *parse_tensor_type(dtype_name(dtype));
  }
}

}  // namespace assay
