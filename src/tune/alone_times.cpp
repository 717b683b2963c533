// What each op of a step takes alone.
#include "tune/alone_times.h"

#include "base/error.h"
#include "measure/worker_process.h"

namespace assay {
namespace {

/// Layer by layer, as an engine calls them.
std::vector<size_t> order_of(const std::vector<ReplayOp>& ops) {
  std::vector<size_t> order;
  bool is_more = true;
  for (int64_t call = 0; is_more; ++call) {
    is_more = false;
    for (size_t op = 0; op < ops.size(); ++op)
      if (ops[op].calls > call) order.push_back(op), is_more = true;
  }
  return order;
}

}  // namespace

AloneTimes::AloneTimes(const std::vector<TunedOp>& step, const AloneRequest& request) {
  const auto add = [&](size_t i, const Variant* kernel) {
    if (!places_.emplace(std::pair(i, kernel), step_.ops.size()).second) return;
    const KernelChoice choice{kernel, choose_isa(*kernel, *request.device), ""};
    step_.ops.push_back({step[i].op.spec, step[i].op.role, choice, step[i].op.calls, {}, {}});
  };
  for (size_t i = 0; i < step.size(); ++i) add(i, step[i].after.decode);
  step_.launches = order_of(step_.ops);
  for (size_t i = 0; i < step.size(); ++i) add(i, step[i].before.decode);  // alone, and part of no step
  ReplayRequest replaying;
  replaying.backend = request.backend, replaying.device = request.device, replaying.cache = request.cache;
  replaying.note = request.note;
  replay_ = std::make_unique<Replay>(step_, replaying);
}

bool AloneTimes::measure(int rounds) {
  for (ReplayOp& op : step_.ops) op.alone_us.clear(), op.in_context_us.clear();
  replay_->measure(rounds);
  return !interrupted();
}

size_t AloneTimes::place_of(size_t op, const Variant* kernel) const {
  const auto place = places_.find({op, kernel});
  ASSAY_CHECK(place != places_.end());
  return place->second;
}

double AloneTimes::us(size_t op, const Variant* kernel) const {
  return percentile(step_.ops[place_of(op, kernel)].alone_us, 50);
}

double AloneTimes::step_ms(const std::vector<const Variant*>& kernels) const {
  std::vector<double> sums;
  for (size_t i = 0; i < kernels.size(); ++i) {
    const ReplayOp& op = step_.ops[place_of(i, kernels[i])];
    sums.resize(op.alone_us.size());
    for (size_t round = 0; round < sums.size(); ++round) sums[round] += double(op.calls) * op.alone_us[round] * 1e-3;
  }
  return percentile(sums, 50);
}

}  // namespace assay
