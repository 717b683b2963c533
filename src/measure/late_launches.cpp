// Late launches of a case.
#include "measure/late_launches.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/round_up.h"

namespace assay {
namespace {

constexpr int64_t kSlotBytes = int64_t(2) << 20, kMostSlots = 64, kAlign = 64;
constexpr int64_t kMostGrowth = int64_t(4) << 20, kGrowthOfLaunch = 1024;  // bytes of a process, of honest kernels
constexpr double kShare = 8;  // of the time, a program takes one of so many

}  // namespace

LateLaunches::LateLaunches(MeasuredDevice& device, const Launch& launch, Judge& judge)
    : device_(device), launch_(launch), judge_(judge) {
  int64_t bytes = 0;
  for (size_t i = 0; i < launch.tensors.size(); ++i) {
    const Tensor& t = launch.tensors[i];
    if (t.use != Use::output) continue;
    outputs_.push_back({i, nullptr, t.bytes, round_up(t.bytes, kAlign), {}});
    bytes += outputs_.back().step;
  }
  slots_ = std::clamp<int64_t>(kSlotBytes / bytes, 1, kMostSlots);
  for (Output& output : outputs_) {
    output.memory = device_.allocate(output.step * slots_);
    output.host.reserve(size_t(output.step * slots_));  // now: how the process grows later is the kernel's doing
  }
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

/// Of all launches that were bound, one transfer an output: from a GPU each takes some us.
void LateLaunches::read() {
  for (Output& output : outputs_) {
    output.host.resize(size_t(output.step * bound_));
    device_.read(output.host.data(), output.memory, std::ssize(output.host));
  }
}

/// Into `joined_`.
void LateLaunches::join(int64_t slot) {
  joined_.clear();
  for (const Output& output : outputs_) {
    const auto first = output.host.begin() + slot * output.step;
    joined_.insert(joined_.end(), first, first + output.bytes);
  }
}

/// Whether a launch's outputs are those that were found right.
bool LateLaunches::is_right(int64_t slot) const {
  auto right = right_.begin();
  for (const Output& output : outputs_) {
    if (right == right_.end() || std::memcmp(&*right, &output.host[size_t(slot * output.step)], size_t(output.bytes)))
      return false;
    right += output.bytes;
  }
  return true;
}

std::string LateLaunches::run(const LaunchInputs& inputs, int64_t most, double time_us) {
  const int64_t began = now_ns();
  const auto spent_us = [&] { return double(now_ns() - began) * 1e-3; };
  right_.clear();
  const int64_t launches_before = launches_;
  int64_t before = -1, first = 0;  // bytes of this process, once the first launches were compared
  for (int64_t count = 1; launches_ < most && spent_us() < time_us;) {
    bind(std::min(count, most - launches_));
    for (const Output& output : outputs_) device_.fill(output.memory, kPoison, output.step * bound_);
    const double before_us = spent_us();
    program_->run();
    program_->wait();
    const double each_us = std::max((spent_us() - before_us) / double(bound_), 0.1);
    read();
    for (int64_t i = 0; i < bound_; ++i) {
      if (is_right(i)) continue;
      join(i);
      std::string message = judge_.scan(joined_);
      if (message.empty()) message = judge_.check(joined_, inputs);
      if (!message.empty()) return fmt::format("after {} launches more: {}", launches_ + i, message);
      if (right_.empty()) right_ = joined_;
      if (spent_us() > time_us) break;  // one that answers differently from call to call takes longer to compare
    }
    launches_ += bound_;
    if (before < 0 && !device_.works_by_itself()) before = private_bytes(), first = launches_;
    count = std::clamp(int64_t(time_us / kShare / each_us), int64_t(1), slots_);
  }
  judge_.count_scanned(launches_ - launches_before);
  const int64_t grown = before < 0 ? 0 : private_bytes() - before;
  if (grown > kMostGrowth + kGrowthOfLaunch * (launches_ - first))
    return fmt::format("its process grew by {} MB in {} launches: memory that it never gives back", grown >> 20,
                       launches_ - first);
  return "";
}

/// Of the launches that were bound last.
std::string LateLaunches::changed() {
  std::vector<std::byte> now;
  for (const Output& output : outputs_) {
    if (bound_ == 0 || output.host.empty()) continue;
    now.resize(output.host.size());
    device_.read(now.data(), output.memory, std::ssize(now));
    if (now != output.host) return kChangedLater;
  }
  return "";
}

}  // namespace assay
