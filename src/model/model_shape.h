// Known models by name, as far as their sizes go.
#pragma once
#include <string>
#include <vector>

#include "model/model_config.h"

namespace assay {

struct ModelShape {
  std::string name;             // "qwen2.5-0.5b"
  ModelConfig config;           // as its published configuration says
  bool any_vocabulary = false;  // no model of this name has a size of its own
};

const std::vector<ModelShape>& model_shapes();
std::vector<std::string> model_shape_names();
/// Error with near names.
const ModelShape& find_model_shape(const std::string& name);

}  // namespace assay
