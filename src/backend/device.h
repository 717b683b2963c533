// What every backend gives: devices described by data, memory, loaded kernels, and programs of launches.
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

/// A kernel says itself that it does not support a call.
class UnsupportedCall : public Error {
 public:
  using Error::Error;
};

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
      vendors;  // libraries that are kernels, or that kernels are built against, with their versions
  DeviceLimits limits;
  bool one_worker =
      false;  // the cases of a spec share one worker process: opening the device is dear, and a fault is seen by all
  int launches_per_sample = 1;  // at most: launches too short to time alone are timed as one sequence
  int threads = 1;
  int cores = 0;                    // on which these threads run: fewer where a core has several; 0: not known
  int64_t memory_bytes = 0;         // what tensors may take together
  std::string memory_limit;         // what makes it less than the device has: "its control group /x may take 400 MB"
  std::string identity() const;     // "name: value" lines of properties
  std::string memory_text() const;  // "cpu:0 has 350 MB (its control group /x may take 400 MB)"
  std::string physical() const;  // its UUID, where it has one: the number in its id may be another in another process
  /// Whether launches of a program may overlap (Launch::overlaps_previous).
  bool can_overlap() const { return limits.arch >= 90; }
};

/// The best level of the device that the variant can be built for, or null.
const IsaLevel* choose_isa(const Variant& variant, const DeviceInfo& device);

/// What the expressions of a manifest's "launch" may use, from the operands of one launch of an op.
GeometrySizes launch_sizes(const Op& op, std::span<const Tensor> tensors, const DeviceInfo& device);

class LoadedKernel;
class MeasuredDevice;

/// One call of a kernel, bound to memory. It declares what it moves and computes.
struct Launch {
  LoadedKernel* kernel = nullptr;
  const Op* op = nullptr;
  std::vector<OpParam> params;
  std::vector<Tensor> tensors;
  Address workspace = nullptr, prepared = nullptr;
  int64_t workspace_bytes = 0, prepared_bytes = 0;
  int64_t bytes = 0, flops = 0;
  /// It may start before the launch before it has ended: its kernel waits itself, on CUDA by griddepcontrol.wait.
  /// Others start when that has ended.
  bool overlaps_previous = false;

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

class LoadedKernel {
 public:
  virtual ~LoadedKernel() = default;
  virtual int64_t workspace_bytes(const Launch& launch) = 0;
  virtual int64_t prepared_bytes(const Launch& launch) = 0;
  /// Repacks the launch's weights into launch.prepared. Error where the kernel reports one.
  virtual void prepare(const Launch& launch) = 0;
  virtual KernelResources resources(const Launch&) const { return {}; }
};

/// Launches bound once and run many times, one after another: each sees what those before it wrote.
class Program {
 public:
  virtual ~Program() = default;
  /// Starts all of them.
  virtual void run() = 0;
  /// Returns when all are done. Error if a kernel reported failure.
  virtual void wait() = 0;
  /// Each run from now on writes there, for each launch, when it ended (ns of base/clock.h). False where the device
  /// cannot tell.
  virtual bool stamp(std::span<int64_t> ends) { return ends.empty(); }
};

/// One opened device: memory, kernels, programs. Nothing here measures or watches: that is put on from outside
/// (measured_device.h). Errors are thrown.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) = 0;
  /// Makes host inputs visible to kernels, read-only; the host memory stays as it is.
  virtual Address import(std::span<std::byte> host) = 0;
  /// 64-byte aligned memory that lives as long as the device, unless it is released.
  virtual Address allocate(int64_t bytes) = 0;
  /// Gives back what allocate() gave. No launch may still use it.
  virtual void release(Address block) noexcept = 0;
  virtual void write(Address to, const void* from, int64_t bytes) = 0;
  virtual void read(void* to, Address from, int64_t bytes) = 0;
  virtual void fill(Address to, unsigned char byte, int64_t bytes) = 0;
  /// The kernels must outlive the program; the memory that the launches name must be there when it runs.
  virtual std::unique_ptr<Program> bind(std::span<const Launch> launches) = 0;
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
  /// Opens it in the calling process, as an engine does.
  virtual std::unique_ptr<Device> open(const DeviceInfo& info) const = 0;
  /// The same with instruments: the process, which runs nothing else, dies of a kernel's fault, and its further memory
  /// is limited to memory_limit_bytes where the backend can.
  virtual std::unique_ptr<MeasuredDevice> open_measured(const DeviceInfo& info, int64_t memory_limit_bytes) const = 0;
  /// How an exit code of a worker that this backend's traps chose reads ("wrote into an input"); "" if it is not
  /// theirs.
  virtual std::string trap_message(int exit_code) const = 0;
  /// The same for a device that stopped and took the worker with it ("an illegal memory access").
  virtual std::string fault_message(int) const { return ""; }
  /// Why MeasuredDevice::counts() has nothing to say on this device: one line; "" if it has.
  virtual std::string counters_missing(const DeviceInfo&) const { return "this device has no counters"; }
};

}  // namespace assay
