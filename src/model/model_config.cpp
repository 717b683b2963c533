// What a model file says of its network: sizes, heads, rope, norms, biases.
#include "model/model_config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/joined.h"
#include "base/suggest.h"

namespace assay {
namespace {

struct Architecture {
  std::string_view name;
  RopePairs pairs;
  bool query_key_norm;
};
constexpr Architecture kArchitectures[] = {
    {"qwen2", RopePairs::halves, false},
    {"qwen3", RopePairs::halves, true},
    {"llama", RopePairs::neighbours, false},  // Llama 2 and 3, Mistral, SmolLM
};

// Sizes beyond are damage: products of three of them must fit 64 bits.
constexpr int64_t kMostWidth = 1 << 20, kMostLayers = 10'000, kMostVocabulary = 1 << 24, kMostContext = 1 << 30;
constexpr double kMostRopeBase = 1e30;

/// The keys of one architecture, "llama.block_count" by "block_count".
class Keys {
 public:
  Keys(const Gguf& file, std::string_view architecture) : file_(file), prefix_(std::string(architecture) + ".") {}

  bool has(std::string_view name) const { return file_.has(key(name)); }
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  int64_t whole(std::string_view name, int64_t most) const {
    const std::string full = key(name);
    if (const GgufEntry* entry = file_.find(full); entry && entry->is_array()) return same_in_all_layers(full, most);
    return in_range(full, file_.integer(full), most);
  }
  int64_t whole_or(std::string_view name, int64_t most, int64_t fallback) const {
    return has(name) ? whole(name, most) : fallback;
  }
  double positive(std::string_view name) const {
    const std::string full = key(name);
    const double value = file_.number(full);
    if (!(value > 0 && std::isfinite(value)))
      fail("{}: key \"{}\" is {}; a number above 0 is wanted", file_.name(), full, value);
    return value;
  }
  /// 0 says nothing, as 1 does.
  double factor(std::string_view name) const { return file_.number(key(name)) == 0 ? 1 : positive(name); }
  double positive_or(std::string_view name, double fallback) const { return has(name) ? positive(name) : fallback; }

 private:
  int64_t in_range(const std::string& full, int64_t value, int64_t most) const {
    if (value < 1 || value > most)
      fail("{}: key \"{}\" is {}; 1 to {} is what a model can have", file_.name(), full, value, most);
    return value;
  }
  int64_t same_in_all_layers(const std::string& full, int64_t most) const {
    const GgufArray values = file_.integers(full);
    if (values.size() == 0) fail("{}: key \"{}\" is an empty list", file_.name(), full);
    for (size_t i = 1; i < values.size(); ++i)
      if (values.integer(i) != values.integer(0))
        fail("{}: key \"{}\" differs from layer to layer ({} and {}), which is not supported", file_.name(), full,
             values.integer(0), values.integer(i));
    return in_range(full, values.integer(0), most);
  }

  const Gguf& file_;
  std::string prefix_;
};

const Architecture& find_architecture(const Gguf& file) {
  const std::string name(file.string("general.architecture"));
  for (const Architecture& known : kArchitectures)
    if (known.name == name) return known;
  fail("{}: architecture {} is not supported; supported are {}{}", file.name(), name.empty() ? "\"\"" : name,
       joined(supported_architectures(), ", "), did_you_mean(name, supported_architectures()));
}

RopeConfig read_rope(const Gguf& file, const Keys& keys, const Architecture& architecture, int64_t key_size) {
  RopeConfig rope;
  rope.pairs = architecture.pairs;
  rope.base = keys.positive_or("rope.freq_base", 10000);
  if (!(rope.base >= 1 && rope.base <= kMostRopeBase))  // frequencies are floats
    fail("{}: key \"{}\" is {}; 1 to {} is what a model can have: convert the model again", file.name(),
         keys.key("rope.freq_base"), float(rope.base), kMostRopeBase);
  rope.dimensions = keys.whole_or("rope.dimension_count", kMostWidth, key_size);
  if (rope.dimensions > key_size || rope.dimensions % 2 != 0)
    fail("{}: rope turns {} values of a head that has {}; an even number up to that is wanted", file.name(),
         rope.dimensions, key_size);
  // Llama 3.x says its scaling by a tensor of factors, not by keys.
  const double factor = keys.has("rope.scaling.factor") ? keys.factor("rope.scaling.factor")
                        : keys.has("rope.scale_linear") ? keys.factor("rope.scale_linear")  // files of 2023
                                                        : 1;
  // As llama.cpp has it: a factor without a rule is a linear one.
  const bool has_rule = keys.has("rope.scaling.type");
  rope.scaling = has_rule ? file.string(keys.key("rope.scaling.type")) : "linear";
  rope.factor = factor;
  // Of a factor of 1 yarn makes the same angles, and leaves the length of queries and keys as it is.
  const bool is_yarn = rope.scaling == "yarn" && file.number_or(keys.key("rope.scaling.yarn_attn_factor"), 1) == 1;
  if (rope.scaling == "none" || (factor == 1 && (rope.scaling == "linear" || is_yarn)))
    rope.scaling = "none", rope.factor = 1;
  if (const std::string key = keys.key("rope.scaling.original_context_length"); file.integer_or(key, 0) != 0)
    rope.original_context = keys.whole("rope.scaling.original_context_length", kMostContext);
  rope.has_factors = file.find_tensor("rope_freqs.weight") != nullptr;
  return rope;
}

/// Positions that attention sees; 0: all, which files say by no key, by 0, by -1, or by a flag (Qwen2).
int64_t read_window(const Gguf& file, const Keys& keys) {
  const std::string key = keys.key("attention.sliding_window");
  if (!file.boolean_or(keys.key("use_sliding_window"), true) || !file.has(key)) return 0;
  return std::clamp<int64_t>(file.integer(key), 0, kMostContext);
}

/// Rows of the embedding and tokens must agree; what a key says counts where there is neither.
int64_t read_vocabulary(const Gguf& file, const Keys& keys) {
  const GgufTensor* weight = file.find_tensor("token_embd.weight");
  if (!weight && !file.tensors().empty()) file.tensor("token_embd.weight");  // says that there is none
  const GgufEntry* tokens = file.find("tokenizer.ggml.tokens");
  const int64_t listed = tokens ? int64_t(tokens->count) : 0;
  if (tokens && !(tokens->is_array() && tokens->element == GgufType::string)) file.strings(tokens->key);  // says so
  if (weight && tokens && weight->dims[1] != listed)
    fail("{}: has {} tokens, but an embedding of {} rows; the tokenizer is another model's", file.name(), listed,
         weight->dims[1]);
  // The embedding is what is computed with; without weights the tokens are all there is.
  const int64_t size = weight ? weight->dims[1] : listed ? listed : keys.whole("vocab_size", kMostVocabulary);
  if (size > kMostVocabulary) fail("{}: has {} tokens; {} at most are supported", file.name(), size, kMostVocabulary);
  return size;
}

}  // namespace

const std::vector<std::string>& supported_architectures() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Architecture& known : kArchitectures) all.emplace_back(known.name);
    return all;
  }();
  return names;
}

ModelConfig read_model_config(const Gguf& file) {
  const Architecture& architecture = find_architecture(file);
  const Keys keys(file, architecture.name);
  ModelConfig config;
  config.architecture = architecture.name;
  config.layers = keys.whole("block_count", kMostLayers);
  config.embedding = keys.whole("embedding_length", kMostWidth);
  config.feed_forward = keys.whole("feed_forward_length", kMostWidth);
  config.heads = keys.whole("attention.head_count", kMostWidth);
  config.kv_heads = keys.whole_or("attention.head_count_kv", kMostWidth, config.heads);
  if (config.heads % config.kv_heads != 0)
    fail("{}: {} heads do not share {} key and value heads evenly", file.name(), config.heads, config.kv_heads);
  if (!keys.has("attention.key_length") && config.embedding % config.heads != 0)
    fail("{}: {} heads do not divide an embedding of {} values, and no \"{}\" says their size", file.name(),
         config.heads, config.embedding, keys.key("attention.key_length"));
  config.key_size =
      keys.whole_or("attention.key_length", kMostWidth, std::max<int64_t>(1, config.embedding / config.heads));
  config.value_size = keys.whole_or("attention.value_length", kMostWidth, config.key_size);
  config.context = keys.whole_or("context_length", kMostContext, 0);
  config.window = read_window(file, keys);
  config.norm_epsilon = keys.positive("attention.layer_norm_rms_epsilon");
  config.rope = read_rope(file, keys, architecture, config.key_size);
  config.vocabulary = read_vocabulary(file, keys);
  config.tied_output = !file.find_tensor("output.weight");
  config.query_key_norm = architecture.query_key_norm;
  // The first layer tells; check_model_tensors() holds the others to it.
  config.query_key_value_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  config.attention_output_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  return config;
}

}  // namespace assay
