// Instruments of a GPU in one worker process: programs timed as graphs, outputs looked at where they are, checksums.
#pragma once
#include <vector>

#include "backend/cuda/cuda_device.h"
#include "backend/cuda/gpu_counters.h"
#include "backend/cuda/late_inputs.h"
#include "backend/cuda/protected_memory.h"
#include "backend/measured_device.h"

namespace assay {

class MeasuredCuda final : public Instrumented<CudaDevice> {
 public:
  explicit MeasuredCuda(const DeviceInfo& info);

  using MeasuredDevice::time;
  Address import(std::span<std::byte> host) override;
  void read(void* to, Address from, int64_t bytes) override;
  std::vector<LaunchTimes> time(Program& program) override;
  LaunchTimes dispatch(const Launch& launch) override;
  bool hand_over(std::span<const Launch> launches, std::span<const HandedOver> inputs) override;
  bool works_by_itself() const override { return true; }
  bool can_survey() const override { return true; }
  Counts counts() override;
  void write_all(std::span<const WriteOver> stretches) override;
  void look(Look& look) override;
  void protect(Address block, int64_t bytes) override;
  void start_protected_check(std::span<const Address> blocks) override { protected_.start(blocks); }
  /// By a checksum.
  std::string protected_changed(std::span<const Address> blocks) override;

 private:
  struct Clock {  // what the probe wrote: cycles in so many ns
    uint64_t cycles, ns;
    double mhz() const { return ns > 0 ? double(cycles) * 1e3 / double(ns) : 0; }
  };

  struct Surveyed {  // what a survey wrote
    uint64_t sum, broken;
  };
  struct Gathered {  // what gather is to copy
    CUdeviceptr from;
    std::byte* to;
    uint64_t words, bytes;
  };

  void call_meanwhile();
  void read_all(std::span<const ReadBack> ranges);
  void survey(const GuardedBuffers& buffers, Address out);
  void project(const std::vector<GuardedBuffers>& buffers, std::vector<ReadBack>& ranges);
  void probe_clock(int slot, uint64_t ns);
  bool clock_dropped();
  double elapsed_us() const;

  CUevent begin_ = nullptr, end_ = nullptr;
  CUfunction clock_probe_ = nullptr, survey_ = nullptr, gather_ = nullptr, project_ = nullptr;
  Address scratch_ = nullptr;    // two Clocks, then what surveys write
  Address projected_ = nullptr;  // what projections write
  int64_t projected_bytes_ = 0;
  Gathered* gathering_ = nullptr;  // of the host, like staging_
  std::byte* staging_ = nullptr;
  Gathered* scattering_ = nullptr;  // the same for what is written: a read may be asked for before that is done
  std::byte* scattered_ = nullptr;
  double best_mhz_ = 0;
  ProtectedMemory protected_;
  LateInputs late_;
  std::unique_ptr<GpuCounters> counters_;
  bool can_count_ = true;
};

}  // namespace assay
