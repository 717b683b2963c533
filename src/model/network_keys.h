// The keys by which a model file says that its network computes more than the engine does.
#pragma once
#include <string>
#include <vector>

#include "model/model_config.h"

namespace assay {

/// Error for a key that changes what the model computes, in a way that no op here has: with the key, its value and the
/// values that change nothing.
void check_network_keys(const Gguf& file, const ModelConfig& config);

/// Keys of the architecture ("llama.…") that nothing here knows. Whether they change the network cannot be told.
std::vector<std::string> unknown_network_keys(const Gguf& file, const ModelConfig& config);

}  // namespace assay
