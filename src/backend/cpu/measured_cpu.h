// Instruments of the CPU device: traps for accesses, pinning, disturbance, launches timed from entry to return.
#pragma once
#include "backend/cpu/cpu_device.h"
#include "backend/cpu/disturbance.h"
#include "backend/cpu/hardware_counters.h"
#include "backend/cpu/process_rest.h"
#include "backend/cpu/process_state.h"
#include "backend/measured_device.h"

namespace assay {

/// Exit code of a worker whose kernel wrote into imported memory.
inline constexpr int kExitWroteInput = 97;
/// … and of one whose kernel read what was withheld from it.
inline constexpr int kExitReadWithheld = 96;

class MeasuredCpu final : public Instrumented<CpuDevice> {
 public:
  /// Installs the traps, and limits the further memory of this process.
  MeasuredCpu(int threads, int64_t memory_limit_bytes, Waits waits = Waits::awake);

  using MeasuredDevice::time;
  std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) override;
  Address import(std::span<std::byte> host) override;
  void protect(Address memory, int64_t bytes) override;
  bool unprotect(Address memory, int64_t bytes) override;
  bool close_off(Address memory, int64_t bytes) override;
  bool withhold(Address memory, int64_t bytes) override;
  std::vector<LaunchTimes> time(Program& program) override;
  Counts counts() override { return counters_.read(); }
  std::string left_behind() override;
  std::string left_in_process() override;
  Rest rest() override { return process_rest(threads_before_); }
  int uneven_ways(const Launch& launch) override;
  void dispatch_unevenly(const Launch& launch, int way) override;
  bool read_at_return(const std::vector<ReadBack>& ranges) override {
    at_return_ = ranges;
    return true;
  }

 private:
  void make_ready(Threading threading);
  void pin_foreign_threads();

  Disturbance disturbance_;
  HardwareCounters counters_;
  std::vector<ReadBack> at_return_;
  bool watches_team_ = false;
  uint64_t float_control_;
  std::string fast_math_;  // the flag of a kernel's that g++ links code for which changes it
  const ProcessState process_;
  const std::vector<int> threads_before_ = thread_ids();
};

}  // namespace assay
