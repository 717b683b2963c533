// Known models by name, as far as their sizes go.
#include "model/model_shape.h"

#include "base/error.h"
#include "base/joined.h"
#include "base/suggest.h"

namespace assay {
namespace {

struct Sizes {
  int64_t layers, embedding, feed_forward, heads, kv_heads, head_size, vocabulary, context;
};

ModelConfig make_config(const char* architecture, const Sizes& sizes, double rope_base, double epsilon) {
  ModelConfig c;
  c.architecture = architecture;
  c.layers = sizes.layers, c.embedding = sizes.embedding, c.feed_forward = sizes.feed_forward;
  c.heads = sizes.heads, c.kv_heads = sizes.kv_heads, c.key_size = c.value_size = sizes.head_size;
  c.vocabulary = sizes.vocabulary, c.context = sizes.context;
  c.norm_epsilon = epsilon;
  c.rope.base = rope_base;
  c.rope.dimensions = sizes.head_size;
  c.rope.pairs = c.architecture == "llama" ? RopePairs::neighbours : RopePairs::halves;
  c.tied_output = true;
  c.query_key_norm = c.architecture == "qwen3";
  c.query_key_value_bias = c.architecture == "qwen2";
  return c;
}

/// From the models' config.json files (Qwen/Qwen2.5-0.5B, Qwen/Qwen3-0.6B, meta-llama/Llama-3.2-1B,
/// HuggingFaceTB/SmolLM-135M).
std::vector<ModelShape> make_shapes() {
  std::vector<ModelShape> shapes;
  shapes.push_back({"qwen2.5-0.5b", make_config("qwen2", {24, 896, 4864, 14, 2, 64, 151936, 32768}, 1e6, 1e-6)});
  shapes.push_back({"qwen3-0.6b", make_config("qwen3", {28, 1024, 3072, 16, 8, 128, 151936, 40960}, 1e6, 1e-6)});
  shapes.push_back({"llama-3.2-1b", make_config("llama", {16, 2048, 8192, 32, 8, 64, 128256, 131072}, 5e5, 1e-5)});
  shapes.back().config.rope.has_factors = true;
  shapes.push_back({"smollm-135m", make_config("llama", {30, 576, 1536, 9, 3, 64, 49152, 2048}, 1e4, 1e-5)});
  shapes.push_back({"tiny", make_config("qwen2", {3, 256, 512, 4, 2, 64, 2048, 32768}, 1e6, 1e-6), true});
  return shapes;
}

}  // namespace

const std::vector<ModelShape>& model_shapes() {
  static const std::vector<ModelShape> shapes = make_shapes();
  return shapes;
}

std::vector<std::string> model_shape_names() {
  std::vector<std::string> names;
  for (const ModelShape& shape : model_shapes()) names.push_back(shape.name);
  return names;
}

const ModelShape& find_model_shape(const std::string& name) {
  for (const ModelShape& shape : model_shapes())
    if (shape.name == name) return shape;
  fail("no shape is named {}; there are {}{}", name.empty() ? "\"\"" : name, joined(model_shape_names(), ", "),
       did_you_mean(name, model_shape_names()));
}

}  // namespace assay
