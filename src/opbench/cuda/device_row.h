// A row's operands on an NVIDIA GPU: inputs are copied there once, the output is poisoned there before each sample and
// brought back after. What every CUDA framework shares; it needs the CUDA runtime and nothing of assay.
#pragma once
#include <cuda_runtime_api.h>

#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "opbench/framework.h"

namespace assay {

inline void check_cuda(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  if (result == cudaErrorMemoryAllocation) throw std::bad_alloc();
  throw std::runtime_error(std::string(what) + ": " + cudaGetErrorName(result) + ", " + cudaGetErrorString(result));
}

/// "NVIDIA H200, driver for CUDA 13.0, runtime 13.0". Throws where there is no GPU.
inline std::string cuda_device_text() {
  int count = 0, driver = 0, runtime = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0)
    throw std::runtime_error("there is no NVIDIA GPU here, or no driver for this CUDA");
  cudaDeviceProp device{};
  check_cuda(cudaGetDeviceProperties(&device, 0), "asking for the GPU's name");
  check_cuda(cudaDriverGetVersion(&driver), "asking for the driver's version");
  check_cuda(cudaRuntimeGetVersion(&runtime), "asking for the runtime's version");
  const auto text = [](int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
  return std::string(device.name) + ", driver for CUDA " + text(driver) + ", runtime " + text(runtime);
}

/// Memory of the device, given back at the end.
class DeviceBlock {
 public:
  explicit DeviceBlock(size_t bytes) { check_cuda(cudaMalloc(&data_, bytes > 0 ? bytes : 1), "allocating on the GPU"); }
  ~DeviceBlock() { cudaFree(data_); }
  DeviceBlock(const DeviceBlock&) = delete;
  DeviceBlock& operator=(const DeviceBlock&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_ = nullptr;
};

/// All work goes to the legacy default stream, torch's as well.
class DeviceRow {
 public:
  explicit DeviceRow(int64_t output_bytes) : output_bytes_(size_t(output_bytes)) {
    check_cuda(cudaEventCreate(&began_), "making an event");
    check_cuda(cudaEventCreate(&ended_), "making an event");
  }
  ~DeviceRow() {
    if (pinned_) cudaHostUnregister(pinned_);
    cudaEventDestroy(began_);
    cudaEventDestroy(ended_);
  }
  DeviceRow(const DeviceRow&) = delete;
  DeviceRow& operator=(const DeviceRow&) = delete;

  void see(const std::vector<MemoryBlock>& inputs, MemoryBlock output) {
    for (const MemoryBlock& block : inputs) {
      blocks_.push_back(std::make_unique<DeviceBlock>(size_t(block.bytes)));
      check_cuda(cudaMemcpy(blocks_.back()->data(), block.data, size_t(block.bytes), cudaMemcpyHostToDevice),
                 "copying an input to the GPU");
      hosts_.push_back(block.data);
    }
    inputs_.resize(inputs.size());
    output_ = std::make_unique<DeviceBlock>(output_bytes_);
    auto* const memory = const_cast<std::byte*>(output.data);
    // Where it cannot be pinned it is only slower to bring back.
    if (cudaHostRegister(memory, size_t(output.bytes), cudaHostRegisterDefault) == cudaSuccess)
      pinned_ = memory;
    else
      cudaGetLastError();
  }

  void bind(const void* const* inputs, void* output) {
    for (size_t i = 0; i < inputs_.size(); ++i)
      inputs_[i] = blocks_[i]->data() + (static_cast<const std::byte*>(inputs[i]) - hosts_[i]);
    host_output_ = output;
    check_cuda(cudaMemsetAsync(output_->data(), 0xff, output_bytes_, 0), "poisoning the output");
    check_cuda(cudaDeviceSynchronize(), "poisoning the output");
    is_first_ = true;
  }
  const void* const* inputs() const { return inputs_.data(); }
  void* output() const { return output_->data(); }

  /// Around each run().
  void begin() {
    if (is_first_) check_cuda(cudaEventRecord(began_, 0), "recording an event");
    is_first_ = false;
  }
  void wait() {
    check_cuda(cudaEventRecord(ended_, 0), "recording an event");
    check_cuda(cudaEventSynchronize(ended_), "running on the GPU");
    check_cuda(cudaGetLastError(), "running on the GPU");
  }
  double device_us() const {
    float ms = 0;
    check_cuda(cudaEventElapsedTime(&ms, began_, ended_), "reading the GPU's clock");
    return double(ms) * 1e3;
  }

  void fetch(const int64_t* words, size_t count) {
    auto* const to = static_cast<std::byte*>(host_output_);
    if (!words)
      check_cuda(cudaMemcpyAsync(to, output_->data(), output_bytes_, cudaMemcpyDeviceToHost, 0), "fetching the output");
    for (size_t i = 0; words && i < count; ++i)
      check_cuda(cudaMemcpyAsync(to + words[i] * 4, output_->data() + words[i] * 4, 4, cudaMemcpyDeviceToHost, 0),
                 "fetching the output");
    check_cuda(cudaDeviceSynchronize(), "fetching the output");
  }

 private:
  size_t output_bytes_;
  std::vector<std::unique_ptr<DeviceBlock>> blocks_;
  std::vector<const std::byte*> hosts_;
  std::vector<const void*> inputs_;
  std::unique_ptr<DeviceBlock> output_;
  void* host_output_ = nullptr;
  void* pinned_ = nullptr;
  cudaEvent_t began_ = nullptr, ended_ = nullptr;
  bool is_first_ = true;
};

}  // namespace assay
