// Weights of GGUF files as floats.
#pragma once
#include <cstdint>

#include "model/tensor_type.h"

namespace assay {

/// `values` floats of blocks that lie one behind the other, not aligned; a multiple of the type's block. Bit for bit
/// what ggml's reference computes: in float, each operation rounded, in its order. Error for a type that is not
/// decoded.
void decode_blocks(TensorType type, const void* blocks, int64_t values, float* to);

}  // namespace assay
