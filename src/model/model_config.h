// What a model file says of its network: sizes, heads, rope, norms, biases; and the tensors that follow from it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "model/gguf.h"

namespace assay {

/// Which two values of a head turn together: 2i and 2i + 1 (llama), or i and i + half (qwen2, qwen3; "neox").
enum class RopePairs { neighbours, halves };

struct RopeConfig {
  RopePairs pairs = RopePairs::neighbours;
  double base = 10000;
  int64_t dimensions = 0;        // of a head that turn
  std::string scaling = "none";  // none, linear, yarn …
  double factor = 1;             // of the scaling
  int64_t original_context = 0;  // of the scaling; 0: not said
  bool has_factors = false;      // rope_freqs.weight: a divisor a pair (Llama 3.x)
};

struct ModelConfig {
  std::string architecture;
  int64_t layers = 0, embedding = 0, heads = 0, kv_heads = 0;
  int64_t key_size = 0, value_size = 0;  // of a head
  int64_t feed_forward = 0, vocabulary = 0, context = 0;
  int64_t window = 0;  // positions that attention sees, the token's own included; 0: all before it
  double norm_epsilon = 0;
  RopeConfig rope;
  bool tied_output = false;     // the embedding is the output weight, too
  bool query_key_norm = false;  // an RMS norm a head before rope (qwen3)
  bool query_key_value_bias = false, attention_output_bias = false;

  /// Positions that the engine computes right: as many as the model was made for, and no more than its window. 0: the
  /// file says neither.
  int64_t most_positions() const { return window == 0 ? context : context == 0 ? window : std::min(window, context); }
  int64_t query_rows() const { return heads * key_size; }
  int64_t key_rows() const { return kv_heads * key_size; }
  int64_t value_rows() const { return kv_heads * value_size; }
  /// Of the KV cache, a position of the context.
  int64_t cache_values() const { return layers * (key_rows() + value_rows()); }
};

const std::vector<std::string>& supported_architectures();

/// Error where the architecture is not supported, a key is missing, of a wrong type or out of range, or what the file
/// says of itself does not agree (vocabulary and embedding). A vocabulary alone has no weights to agree with.
ModelConfig read_model_config(const Gguf& file);

/// What a decode step does with a tensor.
enum class WeightUse { embedding, matmul, norm, bias, rope };

struct ModelTensor {
  std::string name;
  std::vector<int64_t> dims;
  WeightUse use = WeightUse::matmul;
  int64_t layer = -1;  // -1: of no layer
};

/// All tensors of such a model in the order of a forward pass; a tied output has none of its own.
std::vector<ModelTensor> model_tensors(const ModelConfig& config);

/// Error where a tensor is missing, of another shape, or of a type that is not decoded.
void check_model_tensors(const Gguf& file, const ModelConfig& config);

/// Bytes that one decode step reads, whatever the context: every matmul weight once, one row of the embedding, norms,
/// biases.
struct StepBytes {
  int64_t matmul = 0, embedding_row = 0, others = 0;
  int64_t total() const { return matmul + embedding_row + others; }
};
/// ASSAY_CHECK unless check_model_tensors() held.
StepBytes step_bytes(const Gguf& file, const ModelConfig& config);

}  // namespace assay
