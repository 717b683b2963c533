// What each op of a step takes alone.
#include "tune/alone_times.h"

#include "base/error.h"
#include "measure/worker_process.h"

namespace assay {

double AloneSamples::us_of(size_t op) const { return percentile(us[op], 50); }

AloneTimes::AloneTimes(const std::vector<TunedOp>& step, const AloneRequest& request) {
  const auto add = [&](size_t i, const Variant* kernel) {
    if (!places_.emplace(std::pair(i, kernel), step_.ops.size()).second) return;
    const KernelChoice choice{kernel, choose_isa(*kernel, *request.device), ""};
    step_.ops.push_back({step[i].op.spec, step[i].op.role, choice, step[i].op.calls, {}, {}});
  };
  for (size_t i = 0; i < step.size(); ++i) add(i, step[i].after.decode), add(i, step[i].before.decode);
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
  replay_->measure_alone(ops, rounds);
  if (interrupted()) return false;
  samples.us.resize(ops.size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const std::vector<double>& us = step_.ops[ops[i]].alone_us;
    samples.us[i].insert(samples.us[i].end(), us.begin(), us.end());
  }
  return true;
}

double AloneTimes::step_ms(const AloneSamples& samples) const {
  std::vector<double> sums(samples.us.at(0).size());
  for (size_t op = 0; op < calls_.size(); ++op)
    for (size_t round = 0; round < sums.size(); ++round)
      sums[round] += double(calls_[op]) * samples.us[op][round] * 1e-3;
  return percentile(sums, 50);
}

}  // namespace assay
