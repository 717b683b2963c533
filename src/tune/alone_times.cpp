// What each op of a step takes alone.
#include "tune/alone_times.h"

#include "base/error.h"
#include "measure/worker_process.h"
#include "stats/middle_half.h"

namespace assay {

std::vector<double> AloneSamples::step_ms() const {
  std::vector<double> sums;
  for (size_t round = 0; round < between_us.size(); ++round) {
    sums.push_back(between_us[round] * 1e-3);
    for (size_t op = 0; op < us.size(); ++op) sums.back() += double(calls[op]) * us[op][round] * 1e-3;
  }
  return sums;
}

double AloneSamples::us_of(size_t op) const { return mean_over(us[op], middle_half(step_ms())); }
double AloneSamples::between_ms() const { return mean_over(between_us, middle_half(step_ms())) * 1e-3; }

AloneTimes::AloneTimes(const std::vector<TunedOp>& step, const std::vector<StepLaunch>& launches,
                       const AloneRequest& request) {
  const auto add = [&](size_t i, const Variant* kernel) {
    if (!places_.emplace(std::pair(i, kernel), step_.ops.size()).second) return;
    const KernelChoice choice{kernel, choose_isa(*kernel, *request.device), ""};
    const auto first = places_.find({i, step[i].after.decode});
    const size_t same_as = first->second == step_.ops.size() ? SIZE_MAX : first->second;
    step_.ops.push_back({step[i].op.spec, step[i].op.role, choice, step[i].op.calls, same_as});
  };
  for (size_t i = 0; i < step.size(); ++i) add(i, step[i].after.decode), add(i, step[i].before.decode);
  for (const StepLaunch& launch : launches) {
    step_.launches.push_back(places_.at({launch.op, step[launch.op].after.decode}));
    step_.operands.push_back(launch.operands);
  }
  for (const TunedOp& op : step) calls_.push_back(op.op.calls);
  ReplayRequest replaying;
  replaying.backend = request.backend, replaying.device = request.device, replaying.cache = request.cache;
  replaying.note = request.note;
  replay_ = std::make_unique<Replay>(step_, replaying);
}

bool AloneTimes::measure(const std::vector<const Variant*>& kernels, int rounds, AloneSamples& samples) {
  ASSAY_CHECK(kernels.size() == calls_.size());
  std::vector<size_t> ops;
  for (size_t i = 0; i < kernels.size(); ++i) {
    const auto place = places_.find({i, kernels[i]});
    ASSAY_CHECK(place != places_.end());
    ops.push_back(place->second);
    step_.ops[ops.back()].alone_us.clear();
  }
  step_.between_us.clear();
  replay_->measure_placed(ops, rounds);
  if (interrupted()) return false;
  samples.us.resize(ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const std::vector<double>& us = step_.ops[ops[i]].alone_us;
    samples.us[i].insert(samples.us[i].end(), us.begin(), us.end());
  }
  samples.calls = calls_;
  samples.between_us.insert(samples.between_us.end(), step_.between_us.begin(), step_.between_us.end());
  return true;
}

}  // namespace assay
