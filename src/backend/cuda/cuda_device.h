// One GPU in one worker process: memory, and sequences of launches timed as graphs.
#pragma once
#include <vector>

#include "backend/cuda/cuda_kernel.h"

namespace assay {

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const DeviceInfo& info);

  std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) override;
  Address import(std::span<std::byte> host) override;
  Address allocate(int64_t bytes) override;
  void write(Address to, const void* from, int64_t bytes) override;
  void read(void* to, Address from, int64_t bytes) override;
  void fill(Address to, unsigned char byte, int64_t bytes) override;
  std::vector<LaunchTimes> time(std::span<const Launch> sequence) override;
  void protect(Address memory, int64_t bytes) override;
  /// By checksums.
  std::string protected_changed() override;

 private:
  struct Protected {
    Address memory;
    int64_t bytes;
    uint64_t sum;
  };
  struct Clock {  // what the probe wrote: cycles in so many ns
    uint64_t cycles, ns;
    double mhz() const { return ns > 0 ? double(cycles) * 1e3 / double(ns) : 0; }
  };

  LaunchTimes time_one(const Launch& launch);
  LaunchTimes time_graph(std::span<const Launch> sequence);
  CUgraphExec capture(std::span<const Launch> sequence);
  void probe_clock(int slot, uint64_t ns);
  bool clock_dropped();
  uint64_t checksum(Address data, int64_t bytes);
  double elapsed_us() const;
  void wait(const char* step) const;

  const DeviceInfo info_;
  CUstream stream_ = nullptr;
  CUevent begin_ = nullptr, end_ = nullptr;
  CUfunction clock_probe_ = nullptr, checksum_ = nullptr;
  Address scratch_ = nullptr;  // two Clocks, then the checksum's word
  double best_mhz_ = 0;
  std::vector<Protected> protected_;
};

}  // namespace assay
