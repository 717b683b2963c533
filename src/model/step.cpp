// A model's decode step, or a chunk of several tokens, as data: every op in its order, with the spec line of each.
#include "model/step.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "model/forward_pass.h"
#include "model/inspection.h"

namespace assay {
namespace {

/// Of a weight whose type specs do not know; "" if there is none.
std::string unknown_type(const Gguf& file, const PassOp& op) {
  for (const PassOperand& operand : op.operands)
    if (const GgufTensor* tensor = operand.is_weight ? file.find_tensor(operand.name) : nullptr)
      if (!has_matmul_kernels(tensor->type)) return spec_type_name(tensor->type);
  return "";
}

/// The file's bytes of its weights, biases included; of a table or a cache those of the rows that a launch needs.
int64_t bytes_of(const Gguf& file, const PassOp& op, const std::optional<Spec>& spec) {
  int64_t bytes = 0;
  for (const PassOperand& operand : op.operands)
    if (const GgufTensor* tensor = operand.is_weight ? file.find_tensor(operand.name) : nullptr)
      bytes += int64_t(tensor->bytes.size());
  if (!spec) return bytes;
  for (const Tensor& t : spec->tensors) {
    if (t.operand == Operand::cache) bytes += t.touched_bytes();
    if (t.operand == Operand::b && t.touched >= 0) bytes += t.touched - t.bytes;
  }
  return bytes;
}

StepEntry entry_of(const Gguf& file, const PassOp& op) {
  StepEntry entry;
  entry.op = parse_spec_fields(op.line, file.name()).front().second;
  entry.line = op.line;
  entry.layer = op.layer;
  for (const PassOperand& operand : op.operands)
    if (operand.part == Operand::cache || (operand.is_weight && operand.part != Operand::bias))
      entry.tensors.push_back(operand.name);
  if (const std::string type = unknown_type(file, op); !type.empty())
    entry.not_yet = type + " weights are not measured yet";
  else
    entry.spec = parse_spec(op.line, file.name());
  entry.bytes = bytes_of(file, op, entry.spec);
  return entry;
}

/// A tensor's name without its layer.
std::string rest_of(const std::string& tensor, int64_t layer) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  return tensor.starts_with(prefix) ? tensor.substr(prefix.size()) : tensor;
}

}  // namespace

std::vector<StepEntry> model_step(const Gguf& file, const ModelConfig& config, const StepRequest& request) {
  ASSAY_CHECK(request.tokens >= 1 && request.context >= 0);
  if (request.context > 0 && request.context < request.tokens)
    fail("a context of {} does not hold a chunk of {} tokens", request.context, request.tokens);
  PassRequest pass;
  pass.tokens = pass.logits = request.tokens;
  pass.capacity = std::max(request.context, request.tokens);
  pass.activations = request.activations;
  pass.cache = Dtype::f16;
  pass.picks = true;
  std::vector<StepEntry> step;
  for (const PassOp& op : forward_pass(file, config, pass))
    if (request.context > 0 || !op.line.starts_with("op=attention ")) step.push_back(entry_of(file, op));
  return step;
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
    std::vector<Layers>& seen = layers[place->second];
    for (const std::string& tensor : entry.tensors) {
      const std::string rest = rest_of(tensor, entry.layer);
      const int64_t layer = rest == tensor ? -1 : entry.layer;
      const auto same = std::find_if(seen.begin(), seen.end(), [&](const Layers& l) { return l.rest == rest; });
      if (same == seen.end())
        seen.push_back({rest, layer, layer});
      else
        same->last = layer;
    }
  }
  for (size_t i = 0; i < folds.size(); ++i)
    for (const auto& [rest, first, last] : layers[i])
      folds[i].tensors.push_back(first < 0      ? rest
                                 : first < last ? fmt::format("blk.{}-{}.{}", first, last, rest)
                                                : fmt::format("blk.{}.{}", first, rest));
  return folds;
}

}  // namespace assay
