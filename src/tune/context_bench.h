// A table where it counts: assay bench as a child process, its step and each op of it timed as they run.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/scratch_folder.h"
#include "kernel/dispatch_table.h"

namespace assay {

struct ContextOp {
  std::string spec, variant;  // canonical line
  double us = 0;              // a call
};

/// One run of a child: a model with one table. Of decoding the mean of the tokens' middle half, for each part as for
/// the whole (stats/middle_half.h).
struct ContextRun {
  double ms_per_token = 0;
  double prompt_ms_per_token = 0;  // 0: not asked for
  std::vector<ContextOp> ops;      // of decoding
  double between_ms = 0;           // of a token: what is in no op
  // Measured just before it, with the same kernels: each op of the step alone, in µs a call, what lies between ops, and
  // all of that.
  std::vector<double> alone_us;
  double alone_between_ms = 0, predicted_ms = 0;
};

struct ContextRequest {
  std::string program, model;
  int64_t threads = 0, depth = 128, tokens = 16, repetitions = 3;
  int64_t prompt_tokens = 0;  // 0: prompts are not run
  std::string cache_type = "f32";
  std::vector<std::string> kernel_folders;
};

/// A folder of its own for the tables and results of children; gone at the end.
class ContextBench {
 public:
  explicit ContextBench(ContextRequest request);

  /// Nothing if interrupted. Error with the child's words where it fails.
  std::optional<ContextRun> run(const DispatchTable& table);

 private:
  const ContextRequest request_;
  const ScratchFolder folder_;
};

}  // namespace assay
