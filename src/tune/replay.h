// A whole step as one program: every op with its own cold weights, against each op alone and against one submission
// each; on a device that can do so, as a chain of launches that overlap.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/kernel_choice.h"
#include "model/forward_pass.h"
#include "stats/summary.h"

namespace assay {

struct ReplayOp {
  Spec spec;
  std::string role;
  KernelChoice choice;
  int64_t calls = 0;             // in the step
  size_t instead_of = SIZE_MAX;  // of which op, that the step's launches name, this is the same by another kernel
  // Measured, a sample a round, in µs a call. alone: a chain of all its calls and nothing else, or each call behind the
  // launch before it (measure_placed). in_context: within the whole step; where the device times whole programs alone,
  // what the step is faster without it.
  std::vector<double> alone_us = {}, in_context_us = {};
};

/// The whole step by the clock of a device that has one, a sample a round: as a chain, with plain edges, and both with
/// empty launches. Nothing elsewhere.
struct ReplayDeviceTimes {
  std::vector<double> chained_ms, plain_ms, empty_chained_ms, empty_plain_ms;
};

/// A step: which op each launch is of, in order.
struct ReplayStep {
  std::vector<ReplayOp> ops;
  std::vector<size_t> launches;
  std::vector<std::vector<PassOperand>> operands;  // of each launch, where they are known: what they share by name
  std::vector<double> between_us;  // a sample of each round of measure_placed(): what a session does between two steps
  ReplayDeviceTimes device;
};

/// The whole step with so many launches in each submission.
struct ReplayBatch {
  int64_t launches = 0;           // a submission
  int64_t submissions = 0;        // a step
  bool chained = false;           // launches of a submission may overlap
  std::vector<double> ms;         // a sample a round, by the host's clock
  std::vector<double> submit_us;  // of them, to submit one; where the device then works by itself
};

struct ReplayRequest {
  const Backend* backend = nullptr;
  const DeviceInfo* device = nullptr;
  BuildCache* cache = nullptr;
  std::vector<int64_t> batches;  // launches a submission; 0: all of the step
  KernelChoice empty;            // launches that do nothing, to tell what launching takes
  std::function<void(const std::string&)> note;
};

/// Whether the device times programs by a clock of its own (a GPU).
bool times_itself(const DeviceInfo& device);

/// A step bound in memory, ready to be measured as often as wanted.
class Replay {
 public:
  /// `step` and what `request` points at outlive it. Error where the weights do not fit into memory.
  Replay(ReplayStep& step, const ReplayRequest& request);
  ~Replay();

  /// So many shuffled rounds, the first time after one that does not count: samples of `step` and of batches() grow.
  /// Fewer where interrupted.
  void measure(int rounds);
  /// Of a device without a clock: rounds of each op where it stands (step_places.h), with these kernels, one op for
  /// each that the launches name; one round that does not count before them. Behind each the last one's output is read,
  /// as a session reads the logits.
  void measure_placed(const std::vector<size_t>& ops, int rounds);
  const std::vector<ReplayBatch>& batches() const;

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

/// What a submission costs the host beyond the work in it, in µs: from the batches with most and with least in one. 0
/// where there is one batch alone.
double submission_us(const std::vector<ReplayBatch>& batches);

/// As a table: ops, their sums, the batches.
std::string replay_text(const ReplayStep& step, const std::vector<ReplayBatch>& batches, const std::string& title,
                        size_t width, bool colour);
std::string replay_json(const ReplayStep& step, const std::vector<ReplayBatch>& batches, const std::string& device);

}  // namespace assay
