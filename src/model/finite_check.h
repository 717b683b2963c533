// Whether the weights of a model file are numbers: what is infinite or NaN is named.
#pragma once
#include "model/gguf.h"

namespace assay {

/// Error that names file, tensor, row and column of the first value that is infinite or no number, and what to do.
/// Reads all of the tensor as fast as memory gives it, on all threads; of types that are not decoded nothing.
void check_finite(const Gguf& file, const GgufTensor& tensor);
/// The same of all tensors.
void check_finite(const Gguf& file);

}  // namespace assay
