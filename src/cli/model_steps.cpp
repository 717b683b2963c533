// A model file's steps as a command line asks for them: several sizes of a chunk, several lengths of the context.
#include "cli/model_steps.h"

#include <algorithm>

#include "base/error.h"
#include "cli/number_option.h"
#include "model/inspection.h"

namespace assay {
namespace {

constexpr int64_t kMostTokens = 1 << 20, kMostContext = int64_t(1) << 32;

/// Each once, in the order in which they were given.
std::vector<int64_t> numbers(const std::string& list, int64_t most) {
  const std::vector<int64_t> given = *parse_number_list(list, 1, most);
  std::vector<int64_t> all;
  for (const int64_t value : given)
    if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
  return all;
}

}  // namespace

std::vector<Option> add_step_options(const Options& options, StepOptions& to) {
  return {
      options
          .add("--m", to.tokens,
               "tokens that the step computes at once: 1 decodes; more are speculation, parallel slots, a "
               "prompt's piece; 1,8 is two steps")
          .show_default()
          .whole_numbers(1, kMostTokens)
          .type("LIST"),
      options
          .add("--context", to.contexts,
               "positions that attention sees, the step's own included (default: attention is left out)")
          .whole_numbers(1, kMostContext)
          .type("LIST"),
      options.add("--activations", to.activations, "the type of activations and outputs: f16 or f32").show_default()};
}

std::vector<ModelStep> model_steps(const std::string& path, const StepOptions& options) {
  if (options.activations != "f16" && options.activations != "f32")
    fail("--activations {}: choose f16 or f32", options.activations);
  const Dtype activations = *parse_dtype(options.activations);
  const std::vector<int64_t> tokens = numbers(options.tokens, kMostTokens);
  std::vector<int64_t> contexts{0};
  if (!options.contexts.empty()) contexts = numbers(options.contexts, kMostContext);

  const Gguf file{std::filesystem::path(path)};
  if (const std::string why_not = inspect(file).why_not; !why_not.empty()) fail("{}: {}", file.name(), why_not);
  const ModelConfig config = read_model_config(file);
  const StepSource source{std::filesystem::path(path).stem().string(), path};
  std::vector<ModelStep> steps;
  for (const int64_t m : tokens)
    for (const int64_t context : contexts) {
      if (context > 0 && context < m) continue;
      const StepRequest request{m, context, activations};
      steps.push_back({source, request, fold_step(model_step(file, config, request))});
    }
  file.check_whole();
  if (steps.empty()) fail("--context: none of them holds the chunk of --m; a context counts the chunk's own tokens");
  return steps;
}

std::vector<Workload> model_workloads(const std::string& file, const StepOptions& options) {
  std::vector<Workload> workloads;
  for (const ModelStep& step : model_steps(file, options))
    workloads.push_back(parse_workload(step_workload(step.source, step.request, step.folds), file));
  return workloads;
}

}  // namespace assay
