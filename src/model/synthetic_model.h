// A model of a known shape with drawn weights: planned whole, made a stretch at a time.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/gguf.h"
#include "model/model_shape.h"

namespace assay {

struct SyntheticTensor {
  ModelTensor facts;
  TensorType type = TensorType::f32;
  uint64_t offset = 0;  // in the file
  int64_t values = 0;
};

struct SyntheticModel {
  ModelConfig config;
  uint64_t seed = 0;
  std::string head;  // all of the file before its tensors
  std::vector<SyntheticTensor> tensors;
  uint64_t file_bytes = 0;
};

/// Products and the embedding have `type`, or what storable_type() puts in its place; norms, biases and rope factors
/// F32. The tokenizer is that of a file, or nullptr: a small one. Error where its size is not the shape's.
SyntheticModel plan_synthetic_model(const ModelShape& shape, TensorType type, uint64_t seed, const Gguf* tokenizer);

/// Values [begin, begin + count) of a tensor as they stand in the file: whole blocks. The same for the same seed, name
/// and place, whatever the type: weights of 1/sqrt(row) between 0.02 and 0.05, norms near 1.
std::string synthetic_weights(const SyntheticModel& model, const SyntheticTensor& tensor, int64_t begin, int64_t count);

}  // namespace assay
