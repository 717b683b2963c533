// One GPU, and launches bound as one graph.
#include "backend/cuda/cuda_device.h"

#include "backend/cuda/cublas_kernel.h"

namespace assay {

CudaProgram::CudaProgram(std::span<const Launch> launches, CUstream stream,
                         const std::function<void(size_t)>& before_each)
    : stream_(stream), size_(std::ssize(launches)) {
  CUgraph graph = nullptr;
  check(driver().cuStreamBeginCapture_(stream_, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "capturing");
  try {
    for (size_t i = 0; i < launches.size(); ++i) {
      if (before_each) before_each(i);
      static_cast<StreamKernel&>(*launches[i].kernel).enqueue(launches[i], stream_, nullptr);
    }
  } catch (...) {
    driver().cuStreamEndCapture_(stream_, &graph);  // else no later call would work
    throw;
  }
  check(driver().cuStreamEndCapture_(stream_, &graph), "capturing");
  check(driver().cuGraphInstantiateWithFlags_(&graph_, graph, 0), "making a graph");
  check(driver().cuGraphDestroy_(graph), "making a graph");
  check(driver().cuGraphUpload_(graph_, stream_), "making a graph");
}

CudaProgram::~CudaProgram() { driver().cuGraphExecDestroy_(graph_); }

CudaDevice::CudaDevice(const DeviceInfo& info) : info_(info) {
  check(driver().cuInit_(0), "starting the NVIDIA driver");
  CUdevice device;
  check(driver().cuDeviceGet_(&device, number()), "opening the device");
  check(driver().cuDevicePrimaryCtxSetFlags_(device, CU_CTX_SCHED_SPIN), "choosing how to wait");
  check(driver().cuDevicePrimaryCtxRetain_(&context_, device), "opening the device");
  check(driver().cuCtxSetCurrent_(context_), "opening the device");
  check(driver().cuStreamCreate_(&stream_, CU_STREAM_NON_BLOCKING), "making a stream");
}

std::unique_ptr<LoadedKernel> CudaDevice::load(const Variant& variant, const BuiltModule& module) {
  if (!variant.vendor.empty()) return load_cublas_kernel(variant);
  return load_cuda_kernel(variant, module, info_, stream_);
}

Address CudaDevice::allocate(int64_t bytes) {
  CUdeviceptr memory = 0;
  if (const CUresult result = driver().cuMemAlloc_(&memory, size_t(bytes)); result == CUDA_ERROR_OUT_OF_MEMORY)
    throw NoRoom(fmt::format("needs {} MB more memory than {} has left", bytes >> 20, info_.id));
  else
    check(result, "allocating");
  return reinterpret_cast<Address>(memory);
}

void CudaDevice::release(Address block) noexcept { driver().cuMemFree_(pointer(block)); }

void CudaDevice::write(Address to, const void* from, int64_t bytes) {
  check(driver().cuMemcpyHtoDAsync_(pointer(to), from, size_t(bytes), stream_), "writing");
}

void CudaDevice::read(void* to, Address from, int64_t bytes) {
  check(driver().cuMemcpyDtoHAsync_(to, pointer(from), size_t(bytes), stream_), "reading");
  wait("reading");
}

void CudaDevice::fill(Address to, unsigned char byte, int64_t bytes) {
  check(driver().cuMemsetD8Async_(pointer(to), byte, size_t(bytes), stream_), "filling");
}

Address CudaDevice::import(std::span<std::byte> host) {
  const Address memory = allocate(int64_t(host.size()));
  write(memory, host.data(), int64_t(host.size()));
  return memory;
}

std::unique_ptr<Program> CudaDevice::bind(std::span<const Launch> launches) {
  return std::make_unique<CudaProgram>(launches, stream_);
}

}  // namespace assay
