// Whether the engine has ops for all that a model file holds.
#pragma once
#include <string>
#include <vector>

#include "model/model_config.h"

namespace assay {

/// Error with the tensor that no op reads, or that none can compute with. Reads no values but those of rope's factors.
/// ASSAY_CHECK unless check_model_tensors() held.
void check_ops_of(const Gguf& file, const ModelConfig& config);

/// Tensors that no op of such a model reads.
std::vector<std::string> unused_tensors(const Gguf& file, const ModelConfig& config);

}  // namespace assay
