// assay specs: what a model file's step computes, as a table or as a workload file.
#include <memory>

#include "base/error.h"
#include "base/standard_streams.h"
#include "cli/commands.h"
#include "cli/model_steps.h"
#include "report/step_report.h"

namespace assay {
namespace {

struct SpecsOptions {
  std::string file, out;
  StepOptions step;
};

int run_specs(const SpecsOptions& options) {
  const std::vector<ModelStep> steps = model_steps(options.file, options.step);
  if (!options.out.empty()) {
    if (steps.size() != 1)
      fail("--out {}: a file holds one workload, and these are {}; give one --m and at most one --context", options.out,
           steps.size());
    write_output(options.out, step_workload(steps[0].source, steps[0].request, steps[0].folds));
    return 0;
  }
  const Terminal terminal = describe_terminal(stdout);
  for (size_t i = 0; i < steps.size(); ++i)
    show("{}{}", i ? "\n" : "", step_text(steps[i].name(), steps[i].request, steps[i].folds, terminal));
  return 0;
}

}  // namespace

CommandRun add_specs(Options options, CommandFiles& files) {
  const auto o = std::make_shared<SpecsOptions>();
  options.footer(
      "A row a distinct spec: its calls in the step, the weights and KV cache that they read, the tensors.\n"
      "docs/specs-of-a-model.md explains it. assay probe --model FILE measures the same.\n"
      "Example: assay specs model.gguf --m 1,8 --context 1024\n"
      "         assay specs model.gguf --out model.json && assay probe --specs model.json\n\n"
      "Exit codes: 0 fine; 2 assay cannot use the file as a model.");
  files.add(CommandFiles::Part::input, options.add("FILE", o->file, "the model (GGUF)").required().type(""));
  add_step_options(options, o->step);
  files.add(CommandFiles::Part::output,
            options.add("--out", o->out, "write the workload for assay probe --specs, in place of the table")
                .type("WORKLOAD.json"));
  return [o] { return run_specs(*o); };
}

}  // namespace assay
