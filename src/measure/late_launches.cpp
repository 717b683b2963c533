// Late launches of a case.
#include "measure/late_launches.h"

#include <algorithm>

#include "base/clock.h"
#include "base/round_up.h"

namespace assay {
namespace {

constexpr int64_t kSlotBytes = int64_t(2) << 20, kMostSlots = 64, kAlign = 64;
constexpr double kShare = 8;  // of the time, a program takes one of so many

}  // namespace

LateLaunches::LateLaunches(MeasuredDevice& device, const Launch& launch, Judge& judge, const LaunchInputs& inputs)
    : device_(device), launch_(launch), judge_(judge), inputs_(inputs) {
  int64_t bytes = 0;
  for (size_t i = 0; i < launch.tensors.size(); ++i) {
    const Tensor& t = launch.tensors[i];
    if (t.use != Use::output) continue;
    outputs_.push_back({i, nullptr, t.bytes, round_up(t.bytes, kAlign)});
    bytes += outputs_.back().step;
  }
  slots_ = std::clamp<int64_t>(kSlotBytes / bytes, 1, kMostSlots);
  for (Output& output : outputs_) output.memory = device_.allocate(output.step * slots_);
}

void LateLaunches::bind(int64_t count) {
  if (count == bound_) return;
  std::vector<Launch> launches(static_cast<size_t>(count), launch_);
  for (int64_t slot = 0; slot < count; ++slot)
    for (const Output& output : outputs_)
      launches[size_t(slot)].tensors[output.tensor].data = output.memory + slot * output.step;
  program_ = device_.bind(launches);
  bound_ = count;
}

std::vector<std::byte> LateLaunches::slot(int64_t slot) {
  std::vector<std::byte> joined;
  for (const Output& output : outputs_) {
    const auto at = std::ssize(joined);
    joined.resize(size_t(at + output.bytes));
    device_.read(&joined[size_t(at)], output.memory + slot * output.step, output.bytes);
  }
  return joined;
}

std::string LateLaunches::run(int64_t most, double time_us) {
  const int64_t began = now_ns();
  const auto spent_us = [&] { return double(now_ns() - began) * 1e-3; };
  for (int64_t count = 1; launches_ < most && spent_us() < time_us;) {
    bind(std::min(count, most - launches_));
    for (const Output& output : outputs_) device_.fill(output.memory, kPoison, output.step * bound_);
    const double before_us = spent_us();
    program_->run();
    program_->wait();
    const double each_us = std::max((spent_us() - before_us) / double(bound_), 0.1);
    for (int64_t i = 0; i < bound_; ++i) {
      last_ = slot(i);
      if (last_ == right_) continue;
      std::string message = judge_.scan(last_);
      if (message.empty()) message = judge_.check(last_, inputs_);
      if (!message.empty()) return fmt::format("after {} launches more: {}", launches_ + i, message);
      if (right_.empty()) right_ = last_;
      if (spent_us() > time_us) break;  // one that answers differently from call to call takes longer to compare
    }
    last_ = slot(bound_ - 1);
    launches_ += bound_;
    count = std::clamp(int64_t(time_us / kShare / each_us), int64_t(1), slots_);
  }
  judge_.count_scanned(launches_);
  return "";
}

std::string LateLaunches::changed() {
  return bound_ == 0 || slot(bound_ - 1) == last_
             ? ""
             : "D changed after the kernel had returned: something still writes to it";
}

}  // namespace assay
