// A model's decode step, or a chunk of several tokens, as data: every op in its order, with the spec line of each.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "model/model_config.h"
#include "spec/spec.h"

namespace assay {

struct StepRequest {
  int64_t tokens = 1;   // m: 1 is decoding; more are speculation, parallel slots or a piece of a prompt
  int64_t context = 0;  // positions that attention sees, the step's own included; 0: attention is left out
  Dtype activations = Dtype::f16;
};

/// One op of a step. Its line is a spec's where there is a spec; else it says what one will say.
struct StepEntry {
  std::string op, line;
  std::optional<Spec> spec;          // what assay can measure today
  std::string not_yet;               // why there is none
  std::vector<std::string> tensors;  // weights as the file names them, and "blk.0.k_cache" for the KV cache
  int64_t layer = -1;                // -1: of no layer
  int64_t calls = 1;                 // in the step
  int64_t bytes = 0;                 // of weights and KV cache that a call reads, or writes
};

/// The forward pass that the engine runs (forward_pass.h), and the choice of the best token. Every token of a chunk
/// gets its logits. Error where the context is shorter than the chunk. ASSAY_CHECK unless check_model_tensors() held.
std::vector<StepEntry> model_step(const Gguf& file, const ModelConfig& config, const StepRequest& request);

/// Calls of a step with equal lines.
struct StepFold {
  StepEntry first;
  std::vector<std::string> tensors;  // "blk.0-23.attn_q.weight": those that differ in the layer alone are one
  int64_t calls = 0, bytes = 0;      // of all of them
};
/// In the order in which each was first seen.
std::vector<StepFold> fold_step(const std::vector<StepEntry>& step);

/// What a model's workloads are called, and where they come from.
struct StepSource {
  std::string model, file;
};
/// "MODEL-m1", "MODEL-m8-c1024".
std::string step_name(const std::string& model, const StepRequest& request);
/// The measurable part of a step as a workload file (specs/README.md), counted per token of the chunk. Error where
/// nothing of it is measurable.
std::string step_workload(const StepSource& source, const StepRequest& request, const std::vector<StepFold>& folds);

}  // namespace assay
