// A model file's steps as a command line asks for them: several sizes of a chunk, several lengths of the context.
#pragma once
#include <string>
#include <vector>

#include "cli/options.h"
#include "model/step.h"
#include "spec/workload.h"

namespace assay {

struct StepOptions {
  std::string tokens = "1", contexts;  // numbers, commas between
  std::string activations = "f16";
};

/// --m, --context and --activations.
std::vector<Option> add_step_options(const Options& options, StepOptions& to);

struct ModelStep {
  StepSource source;
  StepRequest request;
  std::vector<StepFold> folds;
  std::string name() const { return step_name(source.model, request); }
};

/// One a pair of chunk and context, but those whose context does not hold the chunk. Error where assay cannot use the
/// file as a model, or no pair is left.
std::vector<ModelStep> model_steps(const std::string& file, const StepOptions& options);

/// The same as workloads: milliseconds may be summed within one alone.
std::vector<Workload> model_workloads(const std::string& file, const StepOptions& options);

}  // namespace assay
