// What each op of a step takes where it stands, behind the ops that run before it, one op after the other as in a
// token: what a prediction sums.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tune/replay.h"
#include "tune/tuned_op.h"

namespace assay {

struct AloneRequest {
  const Backend* backend = nullptr;
  const DeviceInfo* device = nullptr;
  BuildCache* cache = nullptr;
  std::function<void(const std::string&)> note;
};

/// A step by one kernel an op, a sample a round: of each op the time of a call in µs, and of what lies between ops. A
/// round stands for a token: what disturbs a token disturbs a round as much.
struct AloneSamples {
  std::vector<std::vector<double>> us;
  std::vector<double> between_us;
  std::vector<int64_t> calls;  // of each op

  /// Of each round all calls and what lies between them, in ms.
  std::vector<double> step_ms() const;
  /// Means over the rounds of the middle half by step_ms(): they add up to its mean.
  double us_of(size_t op) const;
  double between_ms() const;
};

/// The step bound in memory with the kernels that were chosen, and with the defaults where they differ.
class AloneTimes {
 public:
  /// Error where the step's weights do not fit into memory.
  AloneTimes(const std::vector<TunedOp>& step, const std::vector<StepLaunch>& launches, const AloneRequest& request);

  /// Adds so many rounds of a step by these kernels, one for each of its ops. False if interrupted.
  bool measure(const std::vector<const Variant*>& kernels, int rounds, AloneSamples& samples);

 private:
  ReplayStep step_;
  std::vector<int64_t> calls_;  // of each op
  std::map<std::pair<size_t, const Variant*>, size_t> places_;
  std::unique_ptr<Replay> replay_;
};

}  // namespace assay
