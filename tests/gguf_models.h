// Small whole models as GGUF bytes, for tests; each part may be replaced by a lie.
#pragma once
#include <algorithm>

#include "gguf_bytes.h"
#include "model/model_config.h"

namespace assay {

/// Two layers of 64 values, 4 heads of which pairs share K and V, 96 tokens; weights of `type`, norms of f32.
inline ModelConfig small_config(const std::string& architecture) {
  ModelConfig config;
  config.architecture = architecture;
  config.layers = 2, config.embedding = 64, config.heads = 4, config.kv_heads = 2;
  config.key_size = config.value_size = architecture == "qwen3" ? 32 : 16;
  config.feed_forward = 128, config.vocabulary = 96, config.context = 512;
  config.rope.dimensions = config.key_size;
  config.tied_output = true;
  config.query_key_norm = architecture == "qwen3";
  config.query_key_value_bias = architecture == "qwen2";
  return config;
}

/// The keys of such a model, but those named.
inline GgufBytes small_keys(const ModelConfig& config, const std::vector<std::string>& without = {}) {
  GgufBytes file;
  const auto wanted = [&](const std::string& key) {
    return std::find(without.begin(), without.end(), key) == without.end();
  };
  const auto whole = [&](const std::string& key, int64_t value) {
    if (wanted(key)) file.u32(config.architecture + "." + key, uint32_t(value));
  };
  if (wanted("general.architecture")) file.text("general.architecture", config.architecture);
  whole("block_count", config.layers);
  whole("embedding_length", config.embedding);
  whole("feed_forward_length", config.feed_forward);
  whole("attention.head_count", config.heads);
  whole("attention.head_count_kv", config.kv_heads);
  whole("context_length", config.context);
  if (config.key_size * config.heads != config.embedding) {
    whole("attention.key_length", config.key_size);
    whole("attention.value_length", config.value_size);
  }
  if (wanted("attention.layer_norm_rms_epsilon"))
    file.f32(config.architecture + ".attention.layer_norm_rms_epsilon", 1e-6f);
  std::vector<std::string> tokens;
  for (int64_t i = 0; i < config.vocabulary; ++i) tokens.push_back("t" + std::to_string(i));
  if (wanted("tokenizer.ggml.tokens")) file.texts("tokenizer.ggml.tokens", tokens);
  return file;
}

inline void add_tensors(GgufBytes& file, const ModelConfig& config, TensorType type = TensorType::q8_0) {
  for (const ModelTensor& tensor : model_tensors(config)) {
    const bool is_weight = tensor.use == WeightUse::matmul || tensor.use == WeightUse::embedding;
    file.tensor(tensor.name, {tensor.dims.begin(), tensor.dims.end()}, is_weight ? type : TensorType::f32);
  }
}

inline std::string small_model(const ModelConfig& config, TensorType type = TensorType::q8_0) {
  GgufBytes file = small_keys(config);
  add_tensors(file, config, type);
  return file.bytes();
}

}  // namespace assay
