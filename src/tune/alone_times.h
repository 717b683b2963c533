// What each op of a step takes alone, in a chain of its calls, one op after the other as in a token: what a prediction
// sums.
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

/// A step by one kernel an op: of each op the time of a call in µs, a sample a round.
struct AloneSamples {
  std::vector<std::vector<double>> us;
  /// The median round's.
  double us_of(size_t op) const;
};

/// The step bound in memory with the kernels that were chosen, and with the defaults where they differ.
class AloneTimes {
 public:
  /// Error where the step's weights do not fit into memory.
  AloneTimes(const std::vector<TunedOp>& step, const AloneRequest& request);

  /// Adds so many rounds of a step by these kernels, one for each of its ops. False if interrupted.
  bool measure(const std::vector<const Variant*>& kernels, int rounds, AloneSamples& samples);
  /// The median round's sum of calls × time alone, in ms. What disturbs a token disturbs a round as much.
  double step_ms(const AloneSamples& samples) const;

 private:
  ReplayStep step_;
  std::vector<int64_t> calls_;  // of each op
  std::map<std::pair<size_t, const Variant*>, size_t> places_;
  std::unique_ptr<Replay> replay_;
};

}  // namespace assay
