// One GPU: its context and stream, memory, kernels, and launches bound as one graph.
#pragma once
#include <functional>
#include <vector>

#include "backend/cuda/cuda_kernel.h"

namespace assay {

/// Launches as one graph, made once: no gap between them but what the device itself needs.
class CudaProgram final : public Program {
 public:
  /// before_each: what else is put into the stream before each launch.
  CudaProgram(std::span<const Launch> launches, CUstream stream, const std::function<void(size_t)>& before_each = {});
  ~CudaProgram() override;
  CudaProgram(const CudaProgram&) = delete;
  CudaProgram& operator=(const CudaProgram&) = delete;

  void run() override { check(driver().cuGraphLaunch_(graph_, stream_), "launching a graph"); }
  void wait() override { check(driver().cuStreamSynchronize_(stream_), "running"); }
  int64_t size() const { return size_; }

 private:
  CUgraphExec graph_ = nullptr;
  CUstream stream_;
  int64_t size_;
};

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(const DeviceInfo& info);

  std::unique_ptr<LoadedKernel> load(const Variant& variant, const BuiltModule& module) override;
  Address import(std::span<std::byte> host) override;
  Address allocate(int64_t bytes) override;
  void release(Address block) noexcept override;
  void write(Address to, const void* from, int64_t bytes) override;
  void read(void* to, Address from, int64_t bytes) override;
  void fill(Address to, unsigned char byte, int64_t bytes) override;
  std::unique_ptr<Program> bind(std::span<const Launch> launches) override;

  const DeviceInfo& info() const { return info_; }
  int number() const { return std::stoi(info_.id.substr(info_.id.find(':') + 1)); }
  CUcontext context() const { return context_; }
  CUstream stream() const { return stream_; }
  void wait(const char* step) const { check(driver().cuStreamSynchronize_(stream_), step); }

 private:
  const DeviceInfo info_;
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr;
};

/// A device's address as the driver has it.
inline CUdeviceptr pointer(Address address) { return reinterpret_cast<CUdeviceptr>(address); }

}  // namespace assay
