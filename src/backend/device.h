// What every backend gives: devices described by data, memory, loaded kernels, and timed sequences of launches.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernel/build_cache.h"
#include "kernel/manifest.h"
#include "spec/op.h"

namespace assay {

/// What one launch may ask for at most; 0: no such limit.
struct DeviceLimits {
  int64_t shared_bytes = 0;  // of one block, static and dynamic
  int64_t block_threads = 0;
  int64_t block_registers = 0;
  int64_t cluster_blocks = 0;
  int64_t processors = 0;  // multiprocessors: the size of one wave
  int64_t l2_bytes = 0;
  int arch = 0;  // compute capability times ten
};

/// A device as data: planning and keys need no more than this.
struct DeviceInfo {
  std::string id;       // "cpu:0"
  std::string backend;  // "cpu"
  std::string name;     // one line for people
  std::string kind;     // of processor, as a manifest's reasons name it: "Zen 4"; "" where it has no such name
  std::vector<std::pair<std::string, std::string>> properties;  // all that a result's identity depends on
  std::vector<IsaLevel> isa;                                    // what its processor can run, best last
  std::vector<std::pair<std::string, std::string>>
      vendors;  // libraries that are kernels themselves, with their versions
  DeviceLimits limits;
  bool one_worker =
      false;  // the cases of a spec share one worker process: opening the device is dear, and a fault is seen by all
  int launches_per_sample = 1;  // at most: launches too short to time alone are timed as one sequence
  int threads = 1;
  int64_t memory_bytes = 0;         // what tensors may take together
  std::string memory_limit;         // what makes it less than the device has: "its control group /x may take 400 MB"
  std::string identity() const;     // "name: value" lines of properties
  std::string memory_text() const;  // "cpu:0 has 350 MB (its control group /x may take 400 MB)"
  std::string physical() const;  // its UUID, where it has one: the number in its id may be another in another process
};

/// What the expressions of a manifest's "launch" may use, from the operands of one launch of an op.
GeometrySizes launch_sizes(const Op& op, std::span<const Tensor> tensors, const DeviceInfo& device);

class LoadedKernel;

/// One call of a kernel, bound to memory. It declares what it moves and computes.
struct Launch {
  LoadedKernel* kernel = nullptr;
  const Op* op = nullptr;
  std::vector<OpParam> params;
  std::vector<Tensor> tensors;
  Address workspace = nullptr, prepared = nullptr;
  int64_t workspace_bytes = 0, prepared_bytes = 0;
  int64_t bytes = 0, flops = 0;

  /// 0 if it has none of this id.
  double param(uint32_t id) const;
};

/// A launch of what a spec says; its kernel, memory and bytes are to be set.
Launch launch_of(const Spec& spec);

/// What a loaded kernel takes of the device; 0 registers: the backend cannot tell.
struct KernelResources {
  int32_t registers = 0, shared_bytes = 0,
          local_bytes = 0;  // a thread's registers, a block's shared memory, a thread's spills
};

/// Thrown by a kernel that finds out by itself that it cannot compute a spec, or needs more than the device has: no
/// failure.
class Unsupported : public Error {
 public:
  using Error::Error;
};
class OverLimit : public Error {
 public:
  using Error::Error;
};
/// Thrown where there is no memory left now: other programs may have taken it.
class NoRoom : public OverLimit {
 public:
  using OverLimit::OverLimit;
};
/// Thrown for what is not the kernel's doing and may be there the next time: permission to map a module, a library, the
/// device.
class Unavailable : public Error {
 public:
  using Error::Error;
};

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

class LoadedKernel {
 public:
  virtual ~LoadedKernel() = default;
  virtual int64_t workspace_bytes(const Launch& launch) = 0;
  virtual int64_t prepared_bytes(const Launch& launch) = 0;
  /// Repacks the launch's weights into launch.prepared. Error where the kernel reports one.
  virtual void prepare(const Launch& launch) = 0;
  virtual KernelResources resources(const Launch&) const { return {}; }
};

/// One opened device, used by one worker process. Errors are thrown; a fault of the device ends the process or the
/// sequence.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) = 0;
  /// Makes host inputs visible to kernels, read-only; the host memory stays as it is. A kernel's write to them is
  /// caught.
  virtual Address import(std::span<std::byte> host) = 0;
  /// From now on a kernel's write to this block, which allocate() gave, is caught like one to an import.
  virtual void protect(Address block, int64_t bytes) = 0;
  /// From now on a kernel that reads this part of an import ends the process, and trap_message() tells why. False where
  /// the device cannot see to that: nothing has changed then.
  virtual bool withhold(Address, int64_t /*bytes*/) { return false; }
  /// 64-byte aligned memory that lives as long as the device, unless it is released.
  virtual Address allocate(int64_t bytes) = 0;
  /// Gives back what allocate() gave and protect() never saw. No launch may still use it.
  virtual void release(Address block) noexcept = 0;
  virtual void write(Address to, const void* from, int64_t bytes) = 0;
  virtual void read(void* to, Address from, int64_t bytes) = 0;
  virtual void fill(Address to, unsigned char byte, int64_t bytes) = 0;
  /// Runs the launches one after another as one submission and times each; a GPU can only tell their mean, and is kept
  /// busy until all are submitted. Error if a kernel reports failure.
  virtual std::vector<LaunchTimes> time(std::span<const Launch> sequence) = 0;
  /// One launch as a caller makes it that then waits for it. Where a device must wait for that caller, its device time
  /// has that in it.
  virtual LaunchTimes dispatch(const Launch& launch) { return time({&launch, 1})[0]; }
  /// What the launches since the last call left changed that they had to restore (rounding mode …); "" if nothing.
  virtual std::string left_behind() { return ""; }
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

/// An API that builds and runs kernels.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;
  virtual std::vector<DeviceInfo> devices() const = 0;
  /// Why devices() is empty, and what to do; "" if it is not.
  virtual std::string missing() const { return ""; }
  /// What makes modules of its sources; looked for once.
  virtual const Compiler& compiler() const = 0;
  /// Opens it in the calling process, whose further memory is limited to memory_limit_bytes where the backend can.
  virtual std::unique_ptr<Device> open(const DeviceInfo& info, int64_t memory_limit_bytes) const = 0;
  /// How an exit code of a worker that this backend's traps chose reads ("wrote into an input"); "" if it is not
  /// theirs.
  virtual std::string trap_message(int exit_code) const = 0;
  /// The same for a device that stopped and took the worker with it ("an illegal memory access").
  virtual std::string fault_message(int) const { return ""; }
};

}  // namespace assay
