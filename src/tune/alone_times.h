// What each op of a step takes alone, in a chain of its calls, all in turns within seconds: what a prediction sums.
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

/// The step bound in memory with the kernels that were chosen, and with the defaults where they differ.
class AloneTimes {
 public:
  /// Error where the step's weights do not fit into memory.
  AloneTimes(const std::vector<TunedOp>& step, const AloneRequest& request);

  /// So many shuffled rounds; what was measured before is forgotten. False if interrupted.
  bool measure(int rounds);
  /// Of the last measure(), the median of a call in µs: op number so much of the step by this kernel.
  double us(size_t op, const Variant* kernel) const;
  /// Of the last measure(), the median round's sum of calls × time alone, in ms: a kernel for each op of the step. What
  /// disturbs a token disturbs a round as much.
  double step_ms(const std::vector<const Variant*>& kernels) const;

 private:
  size_t place_of(size_t op, const Variant* kernel) const;

  ReplayStep step_;
  std::map<std::pair<size_t, const Variant*>, size_t> places_;
  std::unique_ptr<Replay> replay_;
};

}  // namespace assay
