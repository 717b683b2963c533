// A device as measuring has it: times, looks at outputs, traps for kernels that touch what they must not.
#pragma once
#include <cmath>
#include <functional>

#include "backend/device.h"

namespace assay {

/// Times of one launch in µs. Host time is encode + submit + wait; device time lies inside it.
struct LaunchTimes {
  double device_us = 0, encode_us = 0, submit_us = 0, wait_us = 0;
  bool disturbed = false;  // the processor was taken away or slowed down during it
  int32_t launches = 1;    // of how many the times are the mean
  double host_us() const { return encode_us + submit_us + wait_us; }
};

/// A stretch of device memory that is to come to the host.
struct ReadBack {
  void* to;
  Address from;
  int64_t bytes;
};

/// What is to be written over a stretch of device memory.
struct WriteOver {
  Address to;
  const void* from;
  int64_t bytes;
};

/// A projection is of so many columns of a row of D.
inline constexpr int64_t kProjectionColumns = 256;

/// `count` equal buffers in a row from `memory` on, with poison (0xff) all around: guard, buffer, poison up to the next
/// `step`; and a guard behind the last. guard and step are multiples of 4; bytes of whole elements.
struct GuardedBuffers {
  Address memory = nullptr;
  int64_t guard = 0, bytes = 0, step = 0, count = 0;
  Dtype dtype = Dtype::f32;
  /// Where weights are given, of each buffer as rows of `columns` elements d: Σ r·d and Σ (r·d)² over each stretch of
  /// kProjectionColumns columns, r the column's weight. On the host, [count][rows][stretches][2].
  int64_t columns = 0;
  Address weights = nullptr;  // floats, of the device
  double* sums = nullptr;
};

/// What a device itself saw in guarded buffers.
struct Survey {
  bool whole;    // every element is finite, and all around them is poison
  uint64_t sum;  // of all bytes; another one if any of them changes
  bool operator==(const Survey&) const = default;
};

/// What is to be looked at together: a GPU waits once for all of it.
struct Look {
  std::vector<ReadBack> ranges;
  std::vector<GuardedBuffers> buffers;
  std::vector<Survey> seen;  // of each of buffers, where the device can do that
};

/// What the hardware counted since it began to: all in all. NaN: it does not count that here.
struct Counts {
  double dram_bytes = NAN, instructions = NAN, cycles = NAN;  // bytes read from memory
  Counts operator-(const Counts& before) const {
    return {dram_bytes - before.dram_bytes, instructions - before.instructions, cycles - before.cycles};
  }
};

/// What launches find at `to`: the one numbered i, from 0 on, the bytes that lie at from[i % 2].
struct HandedOver {
  Address to, from[2];
  int64_t bytes;
};

/// Of a process. perhaps: a thread waits in a call that a stop interrupted, which does not show for how long.
enum class Rest { at_rest, perhaps, restless };

/// A device with instruments, used by one worker process. A fault of the device ends the process or the sequence.
class MeasuredDevice : public Device {
 public:
  /// Whether launches leave the host free: then time() and hand_over() call `meanwhile`, once, while they run.
  virtual bool works_by_itself() const { return false; }
  std::function<void()> meanwhile;
  /// From now on a kernel's write to this block, which allocate() gave, is caught like one to an import.
  virtual void protect(Address block, int64_t bytes) = 0;
  /// This block, which was protected, may be written again. False where it may not.
  virtual bool unprotect(Address, int64_t /*bytes*/) { return false; }
  /// From now on nobody may touch these pages of a block, until unprotect(): who does ends the process by a signal.
  /// False where the device cannot see to that: nothing has changed then.
  virtual bool close_off(Address, int64_t /*bytes*/) { return false; }
  /// From now on a kernel that reads this part of an import ends the process, and trap_message() tells why. False where
  /// the device cannot see to that: nothing has changed then.
  virtual bool withhold(Address, int64_t /*bytes*/) { return false; }
  /// Runs a program of this device's bind() and times each of its launches; a GPU can only tell their mean, and is kept
  /// busy until all are submitted. Error if a kernel reports failure.
  virtual std::vector<LaunchTimes> time(Program& program) = 0;
  /// The same for launches that are run once.
  std::vector<LaunchTimes> time(std::span<const Launch> sequence) { return time(*bind(sequence)); }
  /// One launch as a caller makes it that then waits for it. Where a device must wait for that caller, its device time
  /// has that in it.
  virtual LaunchTimes dispatch(const Launch& launch) { return time({&launch, 1})[0]; }
  /// In how many ways a launch can run once, untimed, as an engine's would elsewhere: by fewer threads, or with some
  /// that are late.
  virtual int uneven_ways(const Launch&) { return 0; }
  virtual void dispatch_unevenly(const Launch&, int /*way*/) {}
  /// Runs launches once, untimed, each behind a kernel that hands it its inputs late: it poisons them, lets the launch
  /// begin where that may overlap, and only then, after a while, writes them. False where the device has no such
  /// kernel.
  virtual bool hand_over(std::span<const Launch>, std::span<const HandedOver>) { return false; }
  /// What the hardware has counted so far of this process's launches; of memory, of all that ran. It begins with the
  /// first call.
  virtual Counts counts() { return {}; }
  /// These ranges are read when the next dispatch() has returned, before anything else is done: what a kernel that
  /// returned too early wrote some µs later is not in them. False where nothing of the kind can be.
  virtual bool read_at_return(const std::vector<ReadBack>&) { return false; }
  /// What the launches since the last call left changed that they had to restore (rounding mode …); "" if nothing.
  virtual std::string left_behind() { return ""; }
  /// The same of what belongs to the process and its threads (handlers of signals, priorities …): dear, for the end of
  /// a step.
  virtual std::string left_in_process() { return ""; }
  /// Whether nothing that a launch left runs, or waits for a time to come, and may write then.
  virtual Rest rest() { return Rest::at_rest; }
  /// Many stretches at once, no two of which overlap.
  virtual void write_all(std::span<const WriteOver> stretches) {
    for (const WriteOver& w : stretches) write(w.to, w.from, w.bytes);
  }
  /// Whether it looks at buffers where they are; else that is left to the host.
  virtual bool can_survey() const { return false; }
  /// Reads all ranges, and surveys all buffers if it can.
  virtual void look(Look& look) {
    for (const ReadBack& range : look.ranges) read(range.to, range.from, range.bytes);
  }
  /// Where nothing traps a write to imports or protected blocks: starts to look for one that happened, in the imports
  /// and in these blocks, and returns at once. For the end of a step: the next time() waits for it.
  virtual void start_protected_check(std::span<const Address>) {}
  /// "" or that launches wrote into them, as far as was started; else it looks now. Once it has found something it
  /// stays so: the process has to be replaced.
  virtual std::string protected_changed(std::span<const Address>) { return ""; }
};

/// Hands everything but the instruments on to the device that they are put on.
template <class Inner>
class Instrumented : public MeasuredDevice {
 public:
  template <class... Arguments>
  explicit Instrumented(Arguments&&... arguments) : inner_(std::forward<Arguments>(arguments)...) {}

  std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) override {
    return inner_.load(variant, module);
  }
  Address import(std::span<std::byte> host) override { return inner_.import(host); }
  Address allocate(int64_t bytes) override { return inner_.allocate(bytes); }
  void release(Address block) noexcept override { inner_.release(block); }
  void write(Address to, const void* from, int64_t bytes) override { inner_.write(to, from, bytes); }
  void read(void* to, Address from, int64_t bytes) override { inner_.read(to, from, bytes); }
  void fill(Address to, unsigned char byte, int64_t bytes) override { inner_.fill(to, byte, bytes); }
  std::unique_ptr<Program> bind(std::span<const Launch> launches) override { return inner_.bind(launches); }

 protected:
  Inner inner_;
};

}  // namespace assay
