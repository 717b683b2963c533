// Whether the engine has ops for all that a model file holds.
#include "model/model_check.h"

#include <cmath>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "base/terminal.h"
#include "model/block_decoder.h"
#include "model/forward_pass.h"
#include "spec/spec.h"

namespace assay {
namespace {

/// Below this a position over it is no float any more.
constexpr float kLeastFactor = 1e-6f;

/// A bias or norm that no op reads would change every answer, and nobody would see it.
void refuse_unused(const Gguf& file, const ModelConfig& config) {
  for (const std::string& name : unused_tensors(file, config))
    if (!name.ends_with("rot_embd"))  // what converters once wrote of rope's frequencies, which its base tells as well
      fail(
          "{}: holds tensor \"{}\", which no {} model has here: without it the answers would be another model's; take "
          "another model, or convert it without that tensor",
          file.name(), cut_end(one_line(name), 80), config.architecture);
}

void check_factors(const Gguf& file) {
  const GgufTensor* tensor = file.find_tensor("rope_freqs.weight");
  if (!tensor) return;
  std::vector<float> factors(size_t(tensor->values()));
  decode_blocks(tensor->type, tensor->bytes.data(), tensor->values(), factors.data());
  file.check_whole();
  for (size_t i = 0; i < factors.size(); ++i)
    if (!(factors[i] >= kLeastFactor && std::isfinite(factors[i])))
      fail(
          "{}: tensor \"rope_freqs.weight\" holds {} in column {}; angles are divided by it, so {} is the "
          "least that it can be: convert the model again",
          file.name(), factors[i], i, kLeastFactor);
}

std::string weights_of(const PassOp& op) {
  std::string names;
  for (const PassOperand& operand : op.operands)
    if (operand.is_weight) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", operand.name);
  return names.empty() ? op.role : names;
}

/// Of one token: the lines of more differ by their number alone.
void check_lines(const Gguf& file, const ModelConfig& config) {
  std::set<std::string> checked;
  for (const PassOp& op : forward_pass(file, config, {})) {
    if (!checked.insert(op.line).second) continue;
    try {
      parse_spec(op.line, "");
    } catch (const Error& error) {
      fail("{}: no op computes with {}: {}; quantize or convert the model again", file.name(), weights_of(op),
           error.what());
    }
  }
}

}  // namespace

std::vector<std::string> unused_tensors(const Gguf& file, const ModelConfig& config) {
  std::unordered_set<std::string> known;
  for (ModelTensor& tensor : model_tensors(config)) known.insert(std::move(tensor.name));
  std::vector<std::string> unused;
  for (const GgufTensor& tensor : file.tensors())
    if (std::string name(tensor.name); !known.count(name)) unused.push_back(std::move(name));
  return unused;
}

void check_ops_of(const Gguf& file, const ModelConfig& config) {
  refuse_unused(file, config);
  check_factors(file);
  check_lines(file, config);
}

}  // namespace assay
