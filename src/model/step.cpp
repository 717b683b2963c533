// A model's decode step, or a chunk of several tokens, as data: every op in its order, with the spec line of each.
#include "model/step.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "base/error.h"
#include "model/inspection.h"

namespace assay {
namespace {

constexpr int64_t kCacheRows = 256;  // a cache grows by so many positions

std::string lower_name(TensorType type) {
  std::string name(tensor_type_name(type));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return char(std::tolower(uint8_t(c))); });
  return name;
}

class StepList {
 public:
  StepList(const Gguf& file, const ModelConfig& config, const StepRequest& request)
      : file_(file), config_(config), request_(request), activations_(dtype_name(request.activations)) {}

  std::vector<StepEntry> make() {
    const int64_t m = request_.tokens;
    embedding();
    for (layer_ = 0; layer_ < config_.layers; ++layer_) {
      attention();
      feed_forward();
    }
    layer_ = -1;
    norm("output_norm.weight", m, /*residual=*/config_.layers > 0);
    product(config_.tied_output ? "token_embd.weight" : "output.weight");
    measured(add("argmax", fmt::format("m={} | n={} | dtA={}", m, config_.vocabulary, activations_), "", 0));
    return std::move(all_);
  }

 private:
  /// The sums of the residual are the norms' (residual=1): each but the first adds what the product before it gave.
  void attention() {
    const int64_t m = request_.tokens;
    norm(part("attn_norm.weight"), m, layer_ > 0);
    product(part("attn_q.weight"), part("attn_q.bias"));
    product(part("attn_k.weight"), part("attn_k.bias"));
    product(part("attn_v.weight"), part("attn_v.bias"));
    if (config_.query_key_norm) {
      norm(part("attn_q_norm.weight"), m * config_.heads);
      norm(part("attn_k_norm.weight"), m * config_.kv_heads);
    }
    rope();
    if (request_.context > 0) scores_and_values();
    product(part("attn_output.weight"), part("attn_output.bias"));
  }

  void feed_forward() {
    const int64_t m = request_.tokens, n = config_.feed_forward;
    norm(part("ffn_norm.weight"), m, /*residual=*/true);
    product(part("ffn_gate.weight"));
    product(part("ffn_up.weight"));
    measured(add("swiglu", fmt::format("m={} | n={} | dtA={} | dtD={}", m, n, activations_, activations_), "", 0));
    product(part("ffn_down.weight"));
  }

  void embedding() {
    const GgufTensor& table = tensor("token_embd.weight");
    const std::string type = lower_name(table.type);
    StepEntry& entry = add("embedding",
                           fmt::format("m={} | n={} | rows={} | dtB={} | dtD={}", request_.tokens, config_.embedding,
                                       table.dims[1], type, activations_),
                           "token_embd.weight", request_.tokens * int64_t(table.bytes.size()) / table.dims[1]);
    if (has_matmul_kernels(table.type))
      measured(entry);
    else
      entry.not_yet = "embeddings of " + type + " are not measured yet";
  }

  std::string heads() const {
    const int64_t capacity = (std::max(request_.context, request_.tokens) + kCacheRows - 1) / kCacheRows * kCacheRows;
    return fmt::format("m={} | heads={} | kv_heads={} | head_size={} | capacity={} | dtA={} | dtCache=f16 | dtD={}",
                       request_.tokens, config_.heads, config_.kv_heads, config_.key_size, capacity, activations_,
                       activations_);
  }
  /// An op of the cache has heads of one size.
  void measured_if_heads_are_alike(StepEntry& entry) {
    if (config_.key_size == config_.value_size)
      measured(entry);
    else
      entry.not_yet = "keys and values of different sizes are not measured";
  }

  void rope() {
    const RopeConfig& rope = config_.rope;
    std::string rest =
        fmt::format("{} | style={} | base={}", heads(), rope.pairs == RopePairs::halves ? "neox" : "pairs", rope.base);
    if (rope.dimensions != config_.key_size) rest += fmt::format(" | dimensions={}", rope.dimensions);
    if (rope.has_factors) rest += " | factors=1";
    measured_if_heads_are_alike(
        add("rope", rest, part("attn_kv_cache"), 2 * request_.tokens * (config_.key_rows() + config_.value_rows())));
  }

  /// The factor of the scores is 1/√(head size).
  void scores_and_values() {
    const int64_t rows = request_.context * (config_.key_rows() + config_.value_rows());
    measured_if_heads_are_alike(add("attention",
                                    fmt::format("{} | length={} | scale={}", heads(), request_.context,
                                                float(1 / std::sqrt(double(config_.key_size)))),
                                    part("attn_kv_cache"), 2 * rows));
  }

  std::string part(std::string_view rest) const { return fmt::format("blk.{}.{}", layer_, rest); }

  const GgufTensor& tensor(const std::string& name) const {
    const GgufTensor* found = file_.find_tensor(name);
    ASSAY_CHECK(found);
    return *found;
  }

  StepEntry& add(std::string op, const std::string& rest, const std::string& tensor, int64_t bytes) {
    StepEntry& entry = all_.emplace_back();
    entry.line = fmt::format("op={} | {}", op, rest);
    entry.op = std::move(op);
    entry.tensor = tensor, entry.layer = layer_, entry.bytes = bytes;
    return entry;
  }

  void measured(StepEntry& entry) { entry.spec = parse_spec(entry.line, file_.name()); }

  /// The bias is one of the model's only if the file has it.
  void product(const std::string& weight, const std::string& bias = "") {
    const GgufTensor& b = tensor(weight);
    const GgufTensor* added = bias.empty() ? nullptr : file_.find_tensor(bias);
    const std::string type = lower_name(b.type);
    StepEntry& entry =
        add(added ? "matmul_bias_add" : "matmul", matmul_line(b.dims[1], b.dims[0], type) + (added ? " | bias=1" : ""),
            weight, int64_t(b.bytes.size()) + (added ? int64_t(added->bytes.size()) : 0));
    if (has_matmul_kernels(b.type))
      measured(entry);
    else
      entry.not_yet = type + " weights are not measured yet";
  }

  std::string matmul_line(int64_t n, int64_t k, std::string_view type) const {
    return fmt::format("batch=1 | m={} | n={} | k={} | tA=0 | tB=1 | dtA={} | dtB={} | dtD={}", request_.tokens, n, k,
                       activations_, type, activations_);
  }

  void norm(const std::string& name, int64_t rows, bool residual = false) {
    const GgufTensor& b = tensor(name);
    const std::string type = lower_name(b.type);
    // The file's epsilon is a float: its shortest form is the one that people wrote.
    StepEntry& entry =
        add("rms_norm",
            fmt::format("m={} | n={} | dtA={} | dtB={} | dtD={} | eps={}{}", rows, b.dims[0], activations_, type,
                        activations_, float(config_.norm_epsilon), residual ? " | residual=1" : ""),
            name, int64_t(b.bytes.size()));
    const bool is_float = b.type == TensorType::f32 || b.type == TensorType::f16 || b.type == TensorType::bf16;
    if (is_float)
      measured(entry);
    else
      entry.not_yet = "norms of " + type + " are not measured";
  }

  const Gguf& file_;
  const ModelConfig& config_;
  const StepRequest& request_;
  const std::string_view activations_;
  int64_t layer_ = -1;
  std::vector<StepEntry> all_;
};

/// A layer's name without its number.
std::string rest_of(const StepEntry& entry) {
  return entry.layer < 0 ? entry.tensor : entry.tensor.substr(fmt::format("blk.{}.", entry.layer).size());
}

}  // namespace

std::vector<StepEntry> model_step(const Gguf& file, const ModelConfig& config, const StepRequest& request) {
  ASSAY_CHECK(request.tokens >= 1 && request.context >= 0);
  if (request.context > 0 && request.context < request.tokens)
    fail("a context of {} does not hold a chunk of {} tokens", request.context, request.tokens);
  return StepList(file, config, request).make();
}

std::vector<StepFold> fold_step(const std::vector<StepEntry>& step) {
  struct Layers {
    std::string rest;
    int64_t first = 0, last = 0;
  };
  std::vector<StepFold> folds;
  std::vector<std::vector<Layers>> layers;  // of each fold
  std::map<std::string, size_t> places;
  for (const StepEntry& entry : step) {
    const auto [place, is_new] = places.emplace(entry.line, folds.size());
    if (is_new) {
      folds.push_back({entry, {}, 0, 0});
      layers.emplace_back();
    }
    StepFold& fold = folds[place->second];
    fold.calls += entry.calls;
    fold.bytes += entry.calls * entry.bytes;
    if (entry.tensor.empty()) continue;
    std::vector<Layers>& seen = layers[place->second];
    const std::string rest = rest_of(entry);
    const auto same = std::find_if(seen.begin(), seen.end(), [&](const Layers& l) { return l.rest == rest; });
    if (same == seen.end())
      seen.push_back({rest, entry.layer, entry.layer});
    else
      same->last = entry.layer;
  }
  for (size_t i = 0; i < folds.size(); ++i)
    for (const auto& [rest, first, last] : layers[i])
      folds[i].tensors.push_back(first < 0      ? rest
                                 : first < last ? fmt::format("blk.{}-{}.{}", first, last, rest)
                                                : fmt::format("blk.{}.{}", first, rest));
  return folds;
}

}  // namespace assay
