// A kernel of a module that was loaded with dlopen, and the call that a launch is for it.
#pragma once
#include <string>
#include <vector>

#include "../../../kernels/cpu/assay_kernel.h"
#include "backend/device.h"

namespace assay {

/// The ABI's view of a launch: arrays that live as long as the call, and what the launch named.
class CpuCall {
 public:
  explicit CpuCall(const Launch& launch);
  CpuCall(const CpuCall&) = delete;
  CpuCall& operator=(const CpuCall&) = delete;
  const assay_call* get() const { return &call_; }

 private:
  assay_tensor tensors_[16];
  assay_param params_[8];
  assay_call call_;
};

class CpuKernel final : public LoadedKernel {
 public:
  /// Error where the module is none of this ABI; Unavailable where it cannot be mapped.
  CpuKernel(const Variant& variant, const BuiltModule& module, const std::vector<int>& cpus);

  int64_t workspace_bytes(const Launch& launch) override;
  int64_t prepared_bytes(const Launch& launch) override;
  /// On a team that is gone afterwards: threads of it that spin would disturb a library's own.
  void prepare(const Launch& launch) override;

  Threading threading() const { return threading_; }
  /// noexcept: an exception that leaves a kernel is its crash, on whichever thread.
  int run(const assay_call* call, const assay_thread* thread) const noexcept { return kernel_->run(call, thread); }

 private:
  void* handle_ = nullptr;  // kept until the process ends: threads of vendor pools run in it
  const assay_kernel* kernel_ = nullptr;
  Threading threading_;
  std::vector<int> cpus_;
};

/// Error if a kernel's step ("run") returned failure.
void check_status(int status, const char* step);

}  // namespace assay
