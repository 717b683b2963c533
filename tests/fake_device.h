// A device for tests of what stands above backends: its memory is the host's, its kernels are functions, its faults are
// to order.
#pragma once
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/measured_device.h"
#include "base/half.h"

namespace assay {

/// One launch of a sequence: which of how many it is stands beside it.
using FakeKernel = std::function<void(const Launch& launch, size_t index, size_t count)>;

inline float element(const Tensor& t, int64_t index) {
  float value;
  std::memcpy(&value, t.data + index * 4, 4);
  return value;
}

/// D = A · Bᵀ of f32, m = 1, from element `first` on: what lies before it stays poisoned.
inline void multiply(const Launch& launch, int64_t first = 0) {
  const Tensor *a = nullptr, *b = nullptr, *d = nullptr;
  for (const Tensor& t : launch.tensors) {
    if (t.operand == Operand::a) a = &t;
    if (t.operand == Operand::b) b = &t;
    if (t.operand == Operand::d) d = &t;
  }
  for (int64_t n = first; n < d->dims[2]; ++n) {
    float sum = 0;
    for (int64_t k = 0; k < a->dims[2]; ++k) sum += element(*a, k) * element(*b, n * b->strides[1] + k);
    std::memcpy(d->data + n * 4, &sum, 4);
  }
}

/// Inputs that are still to come, while the device hands them over.
inline std::function<void()>& late_inputs() {
  static std::function<void()> inputs;
  return inputs;
}
/// What a kernel that may begin early must call before it reads them.
inline void wait_for_previous() {
  if (late_inputs()) late_inputs()();
}

/// What happened in whatever process: forked ones write into the same memory.
struct FakeHistory {
  int opened = 0, loaded[8] = {};
  pid_t opener = 0;
  bool opened_twice = false;  // by a second process while the first still lived
  double launch_us = 100;     // what the next launch is said to take
  double latency_us = 0;      // … and that of the host in a dispatch
  bool disturbed = false;     // whether launches are said to be
  bool taint = false;         // a kernel sets it: memory of others has changed, until the device is opened anew
  bool evicted = false;       // a megabyte was overwritten since the last launch
  int warm = 0;               // launches before which that was not so
  Counts counted{0, 0, 0};    // what the hardware is said to have counted
  int handed = 0;             // launches whose inputs came late
  bool by_itself = false;     // the device leaves the host free
  int meanwhile = 0;          // how often that was used
  int copies = 0;             // of prepared weights that a kernel has met
  pid_t left = 0;             // a process that a kernel left behind
  bool dispatched = false;    // the last call was a dispatch: the host has its code at hand
};

constexpr double kFakeSubmitUs = 7, kFakeColdSubmitUs = 30;  // of a dispatch after another one, and after other work

class FakeLoaded final : public LoadedKernel {
 public:
  FakeLoaded(FakeKernel kernel, int64_t prepared_bytes) : run_(std::move(kernel)), prepared_bytes_(prepared_bytes) {}
  int64_t workspace_bytes(const Launch&) override { return 0; }
  /// What is prepared is one byte, whatever it claims.
  int64_t prepared_bytes(const Launch&) override { return prepared_bytes_; }
  void prepare(const Launch& launch) override { *launch.prepared = std::byte{1}; }
  void run(const Launch& launch, size_t index, size_t count) const { run_(launch, index, count); }

 private:
  FakeKernel run_;
  int64_t prepared_bytes_;
};

struct FakeProgram final : Program {
  explicit FakeProgram(std::vector<Launch> bound) : launches(std::move(bound)) {}
  /// Without times, and not counted.
  void run() override {
    for (size_t i = 0; i < launches.size(); ++i)
      static_cast<const FakeLoaded*>(launches[i].kernel)->run(launches[i], i, launches.size());
  }
  void wait() override {}
  std::vector<Launch> launches;
};

class FakeDevice final : public MeasuredDevice {
 public:
  /// surveys: whether it looks at outputs itself.
  FakeDevice(const std::map<std::string, FakeKernel>& kernels, FakeHistory& history, bool surveys)
      : kernels_(kernels), history_(history), surveys_(surveys) {}
  ~FakeDevice() override {
    for (void* block : blocks_) std::free(block);
  }

  /// A variant's parameter "index" says where its loads are counted, "prepared_bytes" what it claims to prepare.
  std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule&) override {
    ++history_.loaded[variant.parameter_or("index", 0)];
    return std::make_unique<FakeLoaded>(kernels_.at(variant.name), variant.parameter_or("prepared_bytes", 1));
  }
  Address import(std::span<std::byte> host) override { return host.data(); }
  void protect(Address block, int64_t bytes) override { protected_[block].assign(block, block + bytes); }
  Address allocate(int64_t bytes) override {
    blocks_.push_back(std::aligned_alloc(64, size_t(bytes + 63) / 64 * 64));
    return static_cast<Address>(blocks_.back());
  }
  void release(Address block) noexcept override {
    blocks_.erase(std::remove(blocks_.begin(), blocks_.end(), static_cast<void*>(block)), blocks_.end());
    std::free(block);
  }
  void write(Address to, const void* from, int64_t bytes) override { std::memcpy(to, from, size_t(bytes)); }
  void read(void* to, Address from, int64_t bytes) override { std::memcpy(to, from, size_t(bytes)); }
  void fill(Address to, unsigned char byte, int64_t bytes) override {
    std::memset(to, byte, size_t(bytes));
    history_.evicted |= bytes >= int64_t(1) << 20;
  }
  using MeasuredDevice::time;
  std::unique_ptr<Program> bind(std::span<const Launch> launches) override {
    return std::make_unique<FakeProgram>(std::vector<Launch>(launches.begin(), launches.end()));
  }
  bool works_by_itself() const override { return history_.by_itself; }
  std::vector<LaunchTimes> time(Program& program) override {
    history_.dispatched = false;
    std::vector<LaunchTimes> times = run(static_cast<FakeProgram&>(program).launches);
    call_meanwhile();
    return times;
  }
  LaunchTimes dispatch(const Launch& launch) override {
    LaunchTimes times = run({&launch, 1})[0];
    times.device_us += history_.latency_us;
    times.submit_us = history_.dispatched ? kFakeSubmitUs : kFakeColdSubmitUs;
    history_.dispatched = true;
    return times;
  }
  bool hand_over(std::span<const Launch> sequence, std::span<const HandedOver> inputs) override {
    for (size_t i = 0; i < sequence.size(); ++i) {
      for (const HandedOver& input : inputs) std::memset(input.to, 0xff, size_t(input.bytes));
      late_inputs() = [=] {
        for (const HandedOver& input : inputs) std::memcpy(input.to, input.from[i % 2], size_t(input.bytes));
      };
      if (!sequence[i].overlaps_previous) wait_for_previous();
      run(sequence.subspan(i, 1));
      wait_for_previous();
      late_inputs() = nullptr;
      ++history_.handed;
    }
    call_meanwhile();
    return true;
  }
  Counts counts() override { return history_.counted; }
  bool can_survey() const override { return surveys_; }
  void look(Look& look) override {
    MeasuredDevice::look(look);
    for (const GuardedBuffers& buffers : look.buffers) {
      look.seen.push_back(survey(buffers));
      if (buffers.weights) project(buffers);
    }
  }
  std::string protected_changed(std::span<const Address> blocks) override {
    for (const Address block : blocks)
      if (!std::equal(protected_[block].begin(), protected_[block].end(), block)) return "changed prepared weights";
    return history_.taint ? "changed what others read" : "";
  }

 private:
  void call_meanwhile() {
    if (!meanwhile) return;
    ++history_.meanwhile;
    std::exchange(meanwhile, nullptr)();
  }
  std::vector<LaunchTimes> run(std::span<const Launch> sequence) {
    std::vector<LaunchTimes> times(sequence.size());
    for (size_t i = 0; i < sequence.size(); ++i) {
      history_.warm += !history_.evicted;
      history_.evicted = false;
      static_cast<const FakeLoaded*>(sequence[i].kernel)->run(sequence[i], i, sequence.size());
      times[i].device_us = history_.launch_us;
      times[i].disturbed = history_.disturbed;
    }
    return times;
  }
  /// Byte by byte; D is f32 or f16.
  static Survey survey(const GuardedBuffers& buffers) {
    Survey seen{true, 0};
    for (int64_t i = 0; i < buffers.count * buffers.step + buffers.guard; ++i) {
      seen.sum = seen.sum * 31 + uint64_t(buffers.memory[i]);
      const int64_t at = i % buffers.step - buffers.guard;
      const bool is_inside = at >= 0 && at < buffers.bytes && i / buffers.step < buffers.count;
      if (!is_inside) seen.whole &= buffers.memory[i] == std::byte{0xff};
      if (is_inside && at % dtype_bytes(buffers.dtype, 1) == 0)
        seen.whole &= std::isfinite(value(buffers.dtype, buffers.memory + i));
    }
    return seen;
  }
  static void project(const GuardedBuffers& buffers) {
    const auto* weights = reinterpret_cast<const float*>(buffers.weights);
    const int64_t size = dtype_bytes(buffers.dtype, 1), rows = buffers.bytes / size / buffers.columns;
    double* sums = buffers.sums;
    for (int64_t row = 0; row < buffers.count * rows; ++row)
      for (int64_t n = 0; n < buffers.columns; ++n) {
        if (n % kProjectionColumns == 0) sums += n > 0 || row > 0 ? 2 : 0, sums[0] = sums[1] = 0;
        const std::byte* at =
            buffers.memory + row / rows * buffers.step + buffers.guard + (row % rows * buffers.columns + n) * size;
        const double term = double(weights[n]) * double(value(buffers.dtype, at));
        sums[0] += term, sums[1] += term * term;
      }
  }
  static float value(Dtype dtype, const std::byte* at) {
    float single;
    uint16_t half;
    if (dtype == Dtype::f32) return std::memcpy(&single, at, 4), single;
    return std::memcpy(&half, at, 2), half_to_float(half);
  }

  const std::map<std::string, FakeKernel>& kernels_;
  FakeHistory& history_;
  bool surveys_;
  std::map<Address, std::vector<std::byte>> protected_;
  std::vector<void*> blocks_;
};

class FakeBackend final : public Backend {
 public:
  FakeBackend()
      : history_(new (mmap(nullptr, sizeof(FakeHistory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                     FakeHistory) {}
  ~FakeBackend() override { munmap(history_, sizeof(FakeHistory)); }

  std::map<std::string, FakeKernel> kernels;  // by the variant's name
  bool surveys = false;
  FakeHistory& history() const { return *history_; }

  std::string name() const override { return "fake"; }
  std::vector<DeviceInfo> devices() const override { return {}; }
  const Compiler& compiler() const override { std::abort(); }
  std::unique_ptr<Device> open(const DeviceInfo& info) const override { return open_measured(info, 0); }
  std::unique_ptr<MeasuredDevice> open_measured(const DeviceInfo&, int64_t) const override {
    history_->opened_twice |= history_->opener != 0 && history_->opener != getpid() && kill(history_->opener, 0) == 0;
    history_->opener = getpid();
    ++history_->opened;
    history_->taint = false;
    return std::make_unique<FakeDevice>(kernels, *history_, surveys);
  }
  std::string trap_message(int) const override { return ""; }

 private:
  FakeHistory* history_;
};

}  // namespace assay
