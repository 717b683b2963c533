// What there is to say of a model file: which model it is, what assay can do with it, how its weights are stored.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "model/model_config.h"

namespace assay {

struct TypeTotal {
  TensorType type = TensorType::f32;
  int64_t tensors = 0, bytes = 0;
  bool is_decoded = false;   // its values are read
  bool is_measured = false;  // probe has kernels for weights of it
};

/// Tensors that differ in the number of their layer alone.
struct TensorFold {
  std::string name;  // "blk.0-23.attn_q.weight", or the one tensor's
  const GgufTensor* example = nullptr;
  int64_t count = 0, bytes = 0;
};

struct Inspection {
  std::optional<ModelConfig> config;      // where the metadata tells
  std::string why_not;                    // assay cannot use the file as a model; "": it can
  std::optional<StepBytes> step;          // where all tensors are there
  std::vector<TypeTotal> types;           // most bytes first
  std::vector<TensorType> matmul_types;   // of the weights of products, as step; each once
  std::vector<TensorFold> folds;          // in the order of the file
  std::vector<std::string> unused;        // tensors that such a model does not have
  std::vector<std::string> unknown_keys;  // of its architecture, that nothing here knows
  int64_t tensor_bytes = 0;
};

/// Whether probe has kernels for weights of that type.
bool has_matmul_kernels(TensorType type);

/// All that uses a model asks here whether the file is one (why_not). Reads no tensor values but rope's factors.
Inspection inspect(const Gguf& file);

}  // namespace assay
