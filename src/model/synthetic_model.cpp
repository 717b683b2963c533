// A model of a known shape with drawn weights: planned whole, made a stretch at a time.
#include "model/synthetic_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "model/block_encoder.h"
#include "model/builtin_tokenizer.h"
#include "model/gguf_writer.h"

namespace assay {
namespace {

/// general.file_type as quantizers number it.
uint32_t file_type(TensorType type) {
  switch (type) {
    case TensorType::f32:
      return 0;
    case TensorType::f16:
      return 1;
    case TensorType::q4_0:
      return 2;
    case TensorType::q4_1:
      return 3;
    case TensorType::q8_0:
      return 7;
    case TensorType::q5_0:
      return 8;
    case TensorType::q5_1:
      return 9;
    case TensorType::q4_k:
      return 14;
    case TensorType::q5_k:
      return 16;
    case TensorType::q6_k:
      return 18;
    case TensorType::bf16:
      return 32;
    default:
      ASSAY_CHECK(!"a type without a number");
      return 0;
  }
}

void add_keys(GgufWriter& writer, const ModelShape& shape, const ModelConfig& c, TensorType type) {
  const auto key = [&](const char* name) { return c.architecture + "." + name; };
  writer.add_text("general.architecture", c.architecture);
  writer.add_text("general.name", shape.name + ", random weights");
  writer.add_u32("general.file_type", file_type(type));
  writer.add_u32("general.quantization_version", 2);
  writer.add_u32(key("block_count"), uint32_t(c.layers));
  writer.add_u32(key("context_length"), uint32_t(c.context));
  writer.add_u32(key("embedding_length"), uint32_t(c.embedding));
  writer.add_u32(key("feed_forward_length"), uint32_t(c.feed_forward));
  writer.add_u32(key("attention.head_count"), uint32_t(c.heads));
  writer.add_u32(key("attention.head_count_kv"), uint32_t(c.kv_heads));
  writer.add_u32(key("attention.key_length"), uint32_t(c.key_size));
  writer.add_u32(key("attention.value_length"), uint32_t(c.value_size));
  writer.add_f32(key("attention.layer_norm_rms_epsilon"), float(c.norm_epsilon));
  writer.add_f32(key("rope.freq_base"), float(c.rope.base));
  writer.add_u32(key("rope.dimension_count"), uint32_t(c.rope.dimensions));
  writer.add_u32(key("vocab_size"), uint32_t(c.vocabulary));
}

void add_tokenizer(GgufWriter& writer, const ModelShape& shape, ModelConfig& config, const Gguf* tokenizer) {
  if (!tokenizer) return add_builtin_tokenizer(writer, config.vocabulary);
  const auto tokens = int64_t(tokenizer->strings("tokenizer.ggml.tokens").size());
  if (tokens != config.vocabulary)
    fail("{}: has {} tokens, and {} has {}; take the tokenizer of that model, the built-in one, or --shape tiny",
         tokenizer->name(), tokens, shape.name, config.vocabulary);
  for (const GgufEntry& entry : tokenizer->entries())
    if (entry.key.starts_with("tokenizer.")) writer.copy(entry);
}

uint64_t mixed(uint64_t x) {  // the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

/// Each tensor has numbers of its own, so that a stretch of it needs none of those before.
uint64_t tensor_seed(uint64_t seed, const std::string& name) {
  uint64_t hash = mixed(seed + 1);
  for (const char c : name) hash = mixed(hash ^ uint8_t(c));
  return hash;
}

/// Near a normal distribution of mean 0 and deviation 1: the sum of four 16-bit draws.
float drawn(uint64_t seed, uint64_t index) {
  const uint64_t bits = mixed(seed + index * 0x9e3779b97f4a7c15u);
  const auto sum = int32_t((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
  constexpr float kDeviation = 37837.2f;  // sqrt(4 / 12) * 65536
  return float(sum - 131070) / kDeviation;
}

/// Llama 3.2's: slow pairs turn 32 times slower, fast ones as ever, those between by a blend (config.json,
/// rope_scaling).
float rope_factor(const RopeConfig& rope, int64_t pair) {
  constexpr double kFactor = 32, kLow = 1, kHigh = 4, kContext = 8192;
  const double turns_per_token =
      std::pow(rope.base, -2.0 * double(pair) / double(rope.dimensions)) / (2 * std::numbers::pi);
  const double turns = kContext * turns_per_token;
  if (turns > kHigh) return 1;
  if (turns < kLow) return float(kFactor);
  const double blend = (turns - kLow) / (kHigh - kLow);
  return float(1 / ((1 - blend) / kFactor + blend));
}

void draw_values(const SyntheticModel& model, const SyntheticTensor& tensor, int64_t begin,
                 std::vector<float>& values) {
  const uint64_t seed = tensor_seed(model.seed, tensor.facts.name);
  float mean = 0, deviation = 0.02f;
  if (tensor.facts.use == WeightUse::norm) mean = 1, deviation = 0.05f;
  if (tensor.facts.use == WeightUse::matmul || tensor.facts.use == WeightUse::embedding)
    // What initialisers aim at: products neither grow nor shrink from layer to layer.
    deviation = std::clamp(1 / std::sqrt(float(tensor.facts.dims[0])), 0.02f, 0.05f);
  for (size_t i = 0; i < values.size(); ++i) values[i] = mean + deviation * drawn(seed, uint64_t(begin) + i);
  if (tensor.facts.use == WeightUse::rope)
    for (size_t i = 0; i < values.size(); ++i) values[i] = rope_factor(model.config.rope, begin + int64_t(i));
}

}  // namespace

SyntheticModel plan_synthetic_model(const ModelShape& shape, TensorType type, uint64_t seed, const Gguf* tokenizer) {
  SyntheticModel model;
  model.config = shape.config;
  model.seed = seed;
  if (tokenizer && shape.any_vocabulary)
    model.config.vocabulary = std::max<int64_t>(1, int64_t(tokenizer->strings("tokenizer.ggml.tokens").size()));
  GgufWriter writer;
  add_keys(writer, shape, model.config, type);
  add_tokenizer(writer, shape, model.config, tokenizer);
  for (ModelTensor& facts : model_tensors(model.config)) {
    const bool is_weight = facts.use == WeightUse::matmul || facts.use == WeightUse::embedding;
    SyntheticTensor tensor;
    tensor.type = is_weight ? storable_type(type, facts.dims[0]) : TensorType::f32;
    tensor.values = 1;
    for (const int64_t dim : facts.dims) tensor.values *= dim;
    tensor.offset = writer.add_tensor(facts.name, facts.dims, tensor.type);
    tensor.facts = std::move(facts);
    model.tensors.push_back(std::move(tensor));
  }
  model.head = writer.head();
  for (SyntheticTensor& tensor : model.tensors) tensor.offset += model.head.size();
  model.file_bytes = model.head.size() + writer.data_bytes();
  return model;
}

std::string synthetic_weights(const SyntheticModel& model, const SyntheticTensor& tensor, int64_t begin,
                              int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  draw_values(model, tensor, begin, values);
  std::string bytes(size_t(tensor_bytes(tensor.type, count)), '\0');
  encode_blocks(tensor.type, values.data(), count, bytes.data());
  return bytes;
}

}  // namespace assay
