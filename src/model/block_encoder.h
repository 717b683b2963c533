// Floats as weights of GGUF files: the nearest values of each block's own grid, without a search for better grids.
#pragma once
#include <cstdint>

#include "model/tensor_type.h"

namespace assay {

/// `values` finite floats, a multiple of the type's block, into tensor_bytes() bytes. ASSAY_CHECK unless the type is
/// decoded.
void encode_blocks(TensorType type, const float* values, int64_t count, void* to);

/// The type that quantizers take for rows of so many values where they are no multiple of its block: Q5_0 for Q4_K,
/// Q5_1 for Q5_K, Q8_0 for Q6_K; F16 where they are no multiple of 32 either.
TensorType storable_type(TensorType wanted, int64_t row_values);

}  // namespace assay
