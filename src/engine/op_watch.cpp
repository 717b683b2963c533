// What each op of a session's passes takes where it runs.
#include "engine/op_watch.h"

#include <utility>

namespace assay {

void OpWatch::watch(Session& session) {
  session.stamps = true;
  session.passed = [this](const PassEvent& event) { pass(event); };
}

void OpWatch::pass(const PassEvent& event) {
  std::vector<size_t>& places = places_[event.step->id];
  if (places.empty())
    for (const BoundOp& op : event.step->ops) {
      const auto [place, is_new] = numbers_.emplace(op.spec.math_line(), ops_.size());
      if (is_new) ops_.push_back({line_of_lengths(place->first), op.choice.variant->id()});
      places.push_back(place->second);
    }
  int64_t began = event.began_ns;
  for (size_t i = 0; i < places.size(); began = event.ends[i++]) {
    Sum& sum = open_[places[i]];
    sum.us += double(event.ends[i] - began) * 1e-3;
    ++sum.calls, sum.positions += event.position + event.tokens;
  }
}

void OpWatch::end_step(double ms) { steps_.push_back({ms, std::exchange(open_, {})}); }

OpTimes OpWatch::take() {
  const std::vector<Step> steps = std::exchange(steps_, {});
  std::vector<double> totals;
  for (const Step& step : steps) totals.push_back(step.ms);
  const std::vector<size_t> middle = middle_half(totals);
  OpTimes times{step_time(totals), 0, {}};
  std::map<size_t, Sum> sums;
  for (const size_t i : middle)
    for (const auto& [op, sum] : steps[i].sums)
      sums[op].us += sum.us, sums[op].calls += sum.calls, sums[op].positions += sum.positions;
  times.between_ms = times.step.mean;
  for (const auto& [op, sum] : sums) {
    const double ms = sum.us * 1e-3 / double(middle.size()), calls = double(sum.calls) / double(middle.size());
    times.ops.push_back({ops_[op].line.at((sum.positions + sum.calls / 2) / sum.calls), ops_[op].variant, calls,
                         sum.us / double(sum.calls), ms});
    times.between_ms -= ms;
  }
  return times;
}

}  // namespace assay
