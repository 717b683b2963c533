// A model's step as the engine runs it: each distinct op once, with how often it is called.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "engine/kernel_choice.h"
#include "model/forward_pass.h"
#include "model/model_config.h"
#include "spec/spec.h"

namespace assay {

struct StepShape {
  int64_t length = 1;          // positions that attention sees, the step's own included
  int64_t prompt_tokens = 64;  // of a prompt's piece
  Dtype cache = Dtype::f32;
  bool fuses_swiglu = true;  // engine/step_program.h
};

/// One op of a decode step, and what computes the same weights for a piece of a prompt.
struct StepOp {
  Spec spec;
  std::optional<Spec> prompt;  // nothing where it is the same
  bool prompt_runs = false;    // a prompt's piece computes that; not the head, which sees one token of it
  std::string role;            // of its first call
  int64_t calls = 0;           // a token
};

/// A launch of a step: of which op, and what its operands are.
struct StepLaunch {
  size_t op = 0;
  std::vector<PassOperand> operands;
};

struct EngineStep {
  std::vector<StepOp> ops;  // in the order in which each is first called
  std::vector<StepLaunch> launches;
};

/// The specs are those that the engine asks its table for, but for attention's length, which is shape.length.
EngineStep engine_step(const Gguf& file, const ModelConfig& config, const StepShape& shape);

/// The bucket of a spec among a table's entries: what decides which kernel is fast, without what goes from model to
/// model (base, eps) and from token to token (length, capacity). m: "1", "2..".
std::string bucket_of(const Spec& spec, const std::string& m);

}  // namespace assay
