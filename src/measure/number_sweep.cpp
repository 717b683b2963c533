// Launches over all numbers.
#include "measure/number_sweep.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/round_up.h"

namespace assay {
namespace {

constexpr int64_t kSlotBytes = int64_t(512) << 10, kMostSlots = 256, kFirstSlots = 8;  // stays in a cache
constexpr int64_t kSlotBytesOfDevice = int64_t(16) << 20;  // each time that it is asked for launches takes some 30 us
constexpr int64_t kMostWatched = 8 << 20;  // a larger sparse output is looked at only where it must be written
// A busy machine may take so much longer than its processor's time, and the least launches than what is usual.
constexpr double kPatience = 4;
constexpr int64_t kAlign = 64;

/// Of the calling thread, which is one of a CPU's team; a device that works by itself takes the host no time.
int64_t spent_ns(const MeasuredDevice& device) {
  if (device.works_by_itself()) return now_ns();
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

bool is_watched(const Tensor& t) { return t.is_sparse && t.bytes <= kMostWatched; }

}  // namespace

NumberSweep::NumberSweep(OpenedArenas& opened, const Launch& launch, SweptProof& proof)
    : opened_(opened), device_(opened.device()), launch_(launch), proof_(proof), per_launch_(proof.per_launch()) {
  int64_t bytes = 0;
  size_t varied = 0, changed = 0;
  bool overlap = false;  // of what launches write into a sparse output
  for (size_t i = 0; i < launch.tensors.size(); ++i) {
    const Tensor& t = launch.tensors[i];
    if (t.use == Use::varied && varied++ == proof.operand()) changed = i, bytes += t.bytes;
    if (t.use == Use::output && !t.is_sparse) bytes += t.bytes, overlap |= t.dims[1] > 1;
  }
  const bool is_sparse =
      std::any_of(launch.tensors.begin(), launch.tensors.end(), [](const Tensor& t) { return t.is_sparse; });
  const int64_t most = device_.works_by_itself() ? kSlotBytesOfDevice : kSlotBytes;
  slots_ = is_sparse && overlap ? 1 : std::clamp<int64_t>(most / bytes, 1, kMostSlots);
  changed_ = borrow(changed);
  for (size_t i = 0; i < launch.tensors.size(); ++i) {
    const Tensor& t = launch.tensors[i];
    if (t.use != Use::output) continue;
    if (t.is_sparse) {
      outputs_.push_back({i, nullptr, 0, 0, {}});
      if (is_watched(t)) device_.fill(t.data, kPoison, t.bytes);
    } else {
      outputs_.push_back(borrow(i));
    }
    touched_.emplace_back(is_watched(t) ? size_t(t.dims[0] * t.dims[1]) : 0);
  }
  whole_.resize(outputs_.size());
}

NumberSweep::~NumberSweep() {
  program_.reset();
  if (changed_.memory) opened_.give_back(changed_.memory, changed_.step * slots_);
  for (const Slots& slots : outputs_)
    if (slots.memory) opened_.give_back(slots.memory, slots.step * slots_);
}

NumberSweep::Slots NumberSweep::borrow(size_t tensor) {
  const int64_t bytes = launch_.tensors[tensor].bytes, step = round_up(bytes, kAlign);
  return {tensor, opened_.borrow(step * slots_), bytes, step, {}};
}

void NumberSweep::bind(int64_t count) {
  if (count == bound_) return;
  std::vector<Launch> launches(static_cast<size_t>(count), launch_);
  for (int64_t slot = 0; slot < count; ++slot) {
    std::vector<Tensor>& tensors = launches[size_t(slot)].tensors;
    tensors[changed_.tensor].data = changed_.memory + slot * changed_.step;
    for (const Slots& slots : outputs_)
      if (slots.memory) tensors[slots.tensor].data = slots.memory + slot * slots.step;
  }
  program_ = device_.bind(launches);
  bound_ = count;
}

std::string NumberSweep::run(const Length& length, std::mt19937_64& random) {
  size_t varied = 0;
  for (const Tensor& t : launch_.tensors)
    if (t.use == Use::varied) device_.write(t.data, proof_.varied()[varied++].data(), t.bytes);
  const auto [all, share] = proof_.in_drawn_order(random, length.most);
  const auto launches_for = [this](int64_t numbers) { return (numbers + per_launch_ - 1) / per_launch_; };
  const int64_t for_all = launches_for(std::ssize(all)), for_share = launches_for(share);
  const int64_t began = now_ns(), began_spent = spent_ns(device_);
  std::string message;
  std::vector<int64_t> numbers;
  int64_t goal = for_all;
  for (int64_t count = std::min(kFirstSlots, slots_); launches_ < goal && message.empty();) {
    count = std::min(count, goal - launches_);
    numbers.clear();
    for (int64_t i = launches_ * per_launch_; i < (launches_ + count) * per_launch_; ++i)
      numbers.push_back(all[size_t(i % std::ssize(all))]);
    bind(count);
    message = launch(numbers);
    launches_ += count;
    const double spent_ms = double(spent_ns(device_) - began_spent) * 1e-6, each_ms = spent_ms / double(launches_);
    const bool is_whole = each_ms * double(for_all) <= length.whole_ms,
               is_share = !is_whole && each_ms * double(for_share) <= length.share_ms;
    const double limit_ms = is_whole ? length.whole_ms : is_share ? length.share_ms : length.usual_ms;
    goal = is_share ? for_share : for_all;
    const bool has_least = launches_ >= length.least || spent_ms > kPatience * length.usual_ms;
    if (!is_whole && !is_share && has_least && spent_ms > limit_ms) break;
    if (double(now_ns() - began) * 1e-6 > kPatience * std::max(limit_ms, double(length.least > 1) * length.share_ms))
      break;
    count = std::clamp(int64_t(length.usual_ms / each_ms), int64_t(1), slots_);
  }
  is_enough_ = launches_ >= for_share && std::ssize(all) >= proof_.numbers();
  return message.empty() ? compare_untouched() : message;
}

std::string NumberSweep::launch(std::span<const int64_t> numbers) {
  const int64_t count = std::ssize(numbers) / per_launch_;
  make_ready(count);
  put(numbers);
  for (const Slots& slots : outputs_)
    if (slots.memory) device_.fill(slots.memory, kPoison, slots.step * count);
  program_->run();
  program_->wait();
  for (size_t output = 0; output < outputs_.size(); ++output) {
    Slots& slots = outputs_[output];
    const Tensor& t = launch_.tensors[slots.tensor];
    if (slots.memory) {
      slots.host.resize(size_t(slots.step * count));
      device_.read(slots.host.data(), slots.memory, slots.step * count);
    } else if (is_watched(t) && slots_ > 1) {
      whole_[output].resize(size_t(t.bytes));
      device_.read(whole_[output].data(), t.data, t.bytes);
    }
  }
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t left, int64_t right) {
    return numbers[size_t(left * per_launch_)] < numbers[size_t(right * per_launch_)];
  });
  for (const int64_t slot : order)
    if (std::string message = compare(numbers.subspan(size_t(slot * per_launch_), size_t(per_launch_)), slot);
        !message.empty())
      return message;
  return "";
}

/// The first slots hold the operand as it is without a change.
void NumberSweep::make_ready(int64_t count) {
  const std::vector<std::byte>& base = proof_.varied()[proof_.operand()];
  for (; ready_ < count; ++ready_) device_.write(changed_.memory + ready_ * changed_.step, base.data(), changed_.bytes);
}

/// What the launches before had there is restored.
void NumberSweep::put(std::span<const int64_t> numbers) {
  const std::vector<std::byte>& base = proof_.varied()[proof_.operand()];
  changes_.swap(restore_);
  restore_.clear();
  const int64_t count = std::ssize(numbers) / per_launch_;
  for (int64_t slot = 0; slot < count; ++slot)
    for (SweptProof::Change change : proof_.changes(numbers.subspan(size_t(slot * per_launch_), size_t(per_launch_)))) {
      SweptProof::Change before = change;
      std::copy_n(base.begin() + change.at, change.size, before.bytes.begin());
      before.at = change.at += slot * changed_.step;
      changes_.push_back(change);
      restore_.push_back(before);
    }
  // An element is written once: as it is to be.
  const auto is_before = [](const SweptProof::Change& left, const SweptProof::Change& right) {
    return left.at < right.at;
  };
  std::stable_sort(changes_.begin(), changes_.end(), is_before);
  std::vector<WriteOver> stretches;
  for (size_t i = 0; i < changes_.size(); ++i)
    if (i + 1 == changes_.size() || changes_[i].at != changes_[i + 1].at)
      stretches.push_back({changed_.memory + changes_[i].at, changes_[i].bytes.data(), changes_[i].size});
  device_.write_all(stretches);
}

std::string NumberSweep::compare(std::span<const int64_t> numbers, int64_t slot) {
  proof_.expect(numbers);
  for (size_t output = 0; output < outputs_.size(); ++output) {
    const Slots& slots = outputs_[output];
    const std::string message =
        slots.memory
            ? proof_.check(output, std::span(slots.host).subspan(size_t(slot * slots.step), size_t(slots.bytes)))
            : compare_sparse(output, launch_.tensors[slots.tensor]);
    if (!message.empty()) return message;
  }
  return "";
}

/// What the launch that was expected last had to write there.
std::string NumberSweep::compare_sparse(size_t output, const Tensor& t) {
  const std::span<const std::pair<int64_t, int64_t>> written = proof_.written(output);
  std::vector<std::byte> bytes;
  for (size_t range = 0; range < written.size(); ++range) {
    const auto [first, end] = written[range];
    const int64_t at = dtype_bytes(t.dtype, first), size = dtype_bytes(t.dtype, end - first);
    std::span<const std::byte> found;
    if (whole_[output].empty()) {
      bytes.resize(size_t(size));
      device_.read(bytes.data(), t.data + at, size);
      found = bytes;
    } else {
      found = std::span(whole_[output]).subspan(size_t(at), size_t(size));
    }
    if (std::string message = proof_.check_written(output, range, found); !message.empty()) return message;
    for (int64_t row = first / t.dims[2]; is_watched(t) && row < end / t.dims[2]; ++row)
      touched_[output][size_t(row)] = true;
  }
  return "";
}

/// Rows of sparse outputs that no launch had to write are as they were.
std::string NumberSweep::compare_untouched() {
  for (size_t output = 0; output < outputs_.size(); ++output) {
    const Tensor& t = launch_.tensors[outputs_[output].tensor];
    if (!is_watched(t)) continue;
    std::vector<std::byte> all(static_cast<size_t>(t.bytes));
    device_.read(all.data(), t.data, t.bytes);
    const int64_t row_bytes = dtype_bytes(t.dtype, t.dims[2]);
    for (int64_t row = 0; row < t.dims[0] * t.dims[1]; ++row) {
      if (!touched_[output][size_t(row)] &&
          first_not_poison(std::span(all).subspan(size_t(row * row_bytes), size_t(row_bytes))) >= 0)
        return fmt::format("row {} of an output was written, and must stay as it was", row % t.dims[1]);
    }
  }
  return "";
}

}  // namespace assay
