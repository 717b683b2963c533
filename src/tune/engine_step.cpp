// A model's step as the engine runs it.
#include "tune/engine_step.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "engine/session.h"

namespace assay {
namespace {

/// Attention's line says the whole capacity, since its length is an operand; its time depends on the length.
Spec spec_of(const PassOp& op, int64_t length, const std::string& name) {
  SpecFields fields = parse_spec_fields(op.line, name);
  for (auto& [key, value] : fields)
    if (key == "length") value = std::to_string(length);
  return make_spec(fields, name);
}

Spec with_rows(const Spec& spec, int64_t m, const std::string& name) {
  SpecFields fields = spec.fields;
  for (auto& [key, value] : fields)
    if (key == "m") value = std::to_string(m);
  return make_spec(fields, name);
}

}  // namespace

EngineStep engine_step(const Gguf& file, const ModelConfig& config, const StepShape& shape) {
  const int64_t capacity = cache_capacity(std::max(shape.length, shape.prompt_tokens), config.most_positions());
  PassRequest pass;
  pass.capacity = capacity;
  pass.cache = shape.cache;
  pass.fuses_swiglu = shape.fuses_swiglu;
  const std::vector<PassOp> decode = forward_pass(file, config, pass);
  pass.tokens = shape.prompt_tokens;
  const std::vector<PassOp> prompt = forward_pass(file, config, pass);
  ASSAY_CHECK(prompt.size() == decode.size());
  EngineStep step;
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < decode.size(); ++i) {
    Spec spec = spec_of(decode[i], shape.length, file.name());
    const auto [place, is_new] = places.emplace(spec.math_line(), step.ops.size());
    if (is_new) {
      StepOp op{std::move(spec), std::nullopt, false, decode[i].role, 0};
      Spec more = spec_of(prompt[i], std::max(shape.length, shape.prompt_tokens), file.name());
      op.prompt_runs = more.math_line() != op.spec.math_line();
      if (!op.prompt_runs && op.spec.op->multiplies_weights()) more = with_rows(more, shape.prompt_tokens, file.name());
      if (more.math_line() != op.spec.math_line()) op.prompt = std::move(more);
      step.ops.push_back(std::move(op));
    }
    ++step.ops[place->second].calls;
    step.launches.push_back({place->second, decode[i].operands});
  }
  return step;
}

std::string bucket_of(const Spec& spec, const std::string& m) {
  constexpr const char* kNamed[] = {"op",       "n",         "n0", "n1", "nq",  "nk",  "nv",      "k",     "heads",
                                    "kv_heads", "head_size", "tA", "tB", "dtA", "dtB", "dtCache", "style", "residual"};
  std::string line;
  for (const auto& [key, value] : spec.math) {
    const bool is_named =
        std::any_of(std::begin(kNamed), std::end(kNamed), [&](const char* name) { return key == name; });
    if (key == "m") line += " | m=" + m;
    if (is_named) line += fmt::format("{}{}={}", line.empty() ? "" : " | ", key, value);
  }
  return line;
}

}  // namespace assay
