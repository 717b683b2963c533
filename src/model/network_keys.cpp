// The keys by which a model file says that its network computes more than the engine does.
#include "model/network_keys.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

/// A key of one architecture, and the values with which it changes nothing.
struct Neutral {
  std::string name;
  std::vector<double> values;
};

constexpr std::string_view kBaseOfWindows = "rope.freq_base_swa";  // of layers that see a window alone

/// What llama.cpp's converter writes for networks that compute more (gguf-py/gguf/constants.py).
std::vector<Neutral> neutral_numbers(const ModelConfig& c) {
  return {{"expert_count", {0}},
          {"expert_used_count", {0}},
          {"expert_shared_count", {0}},
          {"logit_scale", {0, 1}},
          {"embedding_scale", {0, 1}},
          {"residual_scale", {0, 1}},
          {"attn_logit_softcapping", {0}},
          {"final_logit_softcapping", {0}},
          {"attention.scale", {0, 1 / std::sqrt(double(c.key_size))}},
          {"attention.output_scale", {0, 1}},
          {"attention.clamp_kqv", {0}},
          {"attention.max_alibi_bias", {0}},
          {"attention.temperature_scale", {0}},
          {"attention.temperature_length", {0}},
          {"attention.shared_kv_layers", {0}},
          {std::string(kBaseOfWindows), {c.rope.base}},
          {"rope.scaling.attn_factor", {1}}};
}

struct NeutralFlag {
  std::string_view name;
  bool value;
};
constexpr NeutralFlag kNeutralFlags[] = {
    {"attention.causal", true}, {"use_parallel_residual", false}, {"swin_norm", false}};

/// What model_config.cpp reads, and what changes no logit of a network that has passed all checks.
constexpr std::string_view kKnown[] = {
    "block_count", "embedding_length", "feed_forward_length", "context_length", "vocab_size", "attention.head_count",
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",  // of norms that these networks do not have
    "attention.sliding_window",
    "attention.sliding_window_pattern",  // no layer sees beyond the window here
    "use_sliding_window", "rope.dimension_count", "rope.freq_base", "rope.scale_linear", "rope.scaling.type",
    "rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.finetuned",
    // of the rule yarn, which rope.scaling.type would name
    "rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
    "pooling_type",  // of embeddings, behind the last norm
    "tensor_data_layout"};

/// Files hold floats: 1/sqrt(96) is not written as it is computed.
bool is_near(double value, double wanted) { return std::fabs(value - wanted) <= 1e-6 * std::fabs(wanted); }

}  // namespace

void check_network_keys(const Gguf& file, const ModelConfig& config) {
  const std::string prefix = config.architecture + ".";
  if (const int64_t experts = file.integer_or(prefix + "expert_count", 0); experts > 0)
    fail("{}: is a mixture of {} experts (key \"{}expert_count\"), which is not supported; take another model",
         file.name(), experts, prefix);
  for (const auto& [name, values] : neutral_numbers(config)) {
    if (!file.has(prefix + name)) continue;
    if (name == kBaseOfWindows && config.window == 0) continue;  // no layer has one
    const double value = file.number(prefix + name);
    if (std::none_of(values.begin(), values.end(), [&](double neutral) { return is_near(value, neutral); }))
      fail(
          "{}: key \"{}{}\" is {}, by which the network computes what is not supported; only {} changes nothing: take "
          "another model",
          file.name(), prefix, name, float(value), fmt::join(values, " or "));
  }
  for (const auto& [name, neutral] : kNeutralFlags)
    if (const std::string key = prefix + std::string(name); file.boolean_or(key, neutral) != neutral)
      fail("{}: key \"{}\" is {}, a network that is not supported; only {} is: take another model", file.name(), key,
           !neutral, neutral);
}

std::vector<std::string> unknown_network_keys(const Gguf& file, const ModelConfig& config) {
  const std::string prefix = config.architecture + ".";
  std::vector<std::string> known;
  for (const std::string_view name : kKnown) known.push_back(prefix + std::string(name));
  for (const Neutral& number : neutral_numbers(config)) known.push_back(prefix + number.name);
  for (const NeutralFlag& flag : kNeutralFlags) known.push_back(prefix + std::string(flag.name));
  std::vector<std::string> unknown;
  for (const GgufEntry& entry : file.entries())
    if (entry.key.starts_with(prefix) && std::find(known.begin(), known.end(), entry.key) == known.end())
      unknown.emplace_back(entry.key);
  return unknown;
}

}  // namespace assay
