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
  std::optional<ModelConfig> config;     // where the metadata tells
  std::string why_not;                   // assay cannot use the file as a model; "": it can
  std::optional<StepBytes> step;         // where it can
  std::vector<TypeTotal> types;          // most bytes first
  std::vector<TensorType> matmul_types;  // of the weights of products, where it can; each once
  std::vector<TensorFold> folds;         // in the order of the file
  std::vector<std::string> unused;       // tensors that such a model does not have
  int64_t tensor_bytes = 0;
};

/// Whether probe has kernels for weights of that type.
bool has_matmul_kernels(TensorType type);

/// Reads no tensor values.
Inspection inspect(const Gguf& file);

}  // namespace assay
