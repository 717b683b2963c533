// A whole step as one program: every op with its own cold weights, against each op alone and against one submission
// each.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "engine/kernel_choice.h"
#include "stats/summary.h"

namespace assay {

struct ReplayOp {
  Spec spec;
  std::string role;
  KernelChoice choice;
  int64_t calls = 0;  // in the step
  // Measured, a sample a round, in µs a call. alone: a chain of all its calls and nothing else. in_context: within the
  // whole step; nothing where the device cannot tell.
  std::vector<double> alone_us, in_context_us;
};

/// A step: which op each launch is of, in order.
struct ReplayStep {
  std::vector<ReplayOp> ops;
  std::vector<size_t> launches;
};

/// The whole step with so many launches in each submission.
struct ReplayBatch {
  int64_t launches = 0;     // a submission
  int64_t submissions = 0;  // a step
  std::vector<double> ms;   // a sample a round
};

struct ReplayRequest {
  const Backend* backend = nullptr;
  const DeviceInfo* device = nullptr;
  BuildCache* cache = nullptr;
  std::vector<int64_t> batches;  // launches a submission; 0: all of the step
  int rounds = 10;
  std::function<void(const std::string&)> note;
};

/// Measures in shuffled rounds; `step`'s samples are filled in. Fewer rounds where interrupted. Error where the weights
/// do not fit into memory.
std::vector<ReplayBatch> replay(ReplayStep& step, const ReplayRequest& request);

/// What a submission costs the host beyond the work in it, in µs: from the batches with most and with least in one. 0
/// where there is one batch alone.
double submission_us(const std::vector<ReplayBatch>& batches);

/// As a table: ops, their sums, the batches.
std::string replay_text(const ReplayStep& step, const std::vector<ReplayBatch>& batches, const std::string& title,
                        size_t width, bool colour);
std::string replay_json(const ReplayStep& step, const std::vector<ReplayBatch>& batches, const std::string& device);

}  // namespace assay
