// One GPU in one worker process: memory, and sequences of launches timed as graphs between two clock probes.
#include "backend/cuda/cuda_device.h"

#include "backend/cuda/cublas_kernel.h"
#include "backend/cuda/device_code.h"
#include "base/clock.h"

namespace assay {
namespace {

// Busy before the graph, so that the host is done with submitting it before its first node may run.
constexpr uint64_t kProbeBeforeNs = 60'000, kProbeAfterNs = 20'000;
constexpr double kClockTolerance = 0.04;
constexpr int64_t kClockBytes = 16;
constexpr unsigned kChecksumThreads = 256, kChecksumBlocksPerProcessor = 8;

CUdeviceptr pointer(Address address) { return reinterpret_cast<CUdeviceptr>(address); }

double us_between(int64_t from, int64_t to) { return double(to - from) * 1e-3; }

void launch_simple(CUfunction function, unsigned blocks, unsigned threads, CUstream stream, void** parameters) {
  CUlaunchConfig config{};
  config.gridDimX = blocks;
  config.blockDimX = threads;
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.hStream = stream;
  check(driver().cuLaunchKernelEx_(&config, function, parameters, nullptr), "launching a probe");
}

}  // namespace

CudaDevice::CudaDevice(const DeviceInfo& info) : info_(info) {
  check(driver().cuInit_(0), "starting the NVIDIA driver");
  CUdevice device;
  check(driver().cuDeviceGet_(&device, std::stoi(info.id.substr(info.id.find(':') + 1))), "opening the device");
  CUcontext context = nullptr;
  check(driver().cuDevicePrimaryCtxSetFlags_(device, CU_CTX_SCHED_SPIN), "choosing how to wait");
  check(driver().cuDevicePrimaryCtxRetain_(&context, device), "opening the device");
  check(driver().cuCtxSetCurrent_(context), "opening the device");
  check(driver().cuStreamCreate_(&stream_, CU_STREAM_NON_BLOCKING), "making a stream");
  check(driver().cuEventCreate_(&begin_, CU_EVENT_DEFAULT), "making an event");
  check(driver().cuEventCreate_(&end_, CU_EVENT_DEFAULT), "making an event");
  CUmodule module = nullptr;
  check(driver().cuModuleLoadData_(&module, kDeviceCode), "loading the probes");
  check(driver().cuModuleGetFunction_(&clock_probe_, module, "clock_probe"), "loading the probes");
  check(driver().cuModuleGetFunction_(&checksum_, module, "checksum"), "loading the probes");
  scratch_ = allocate(64);
}

std::unique_ptr<LoadedKernel> CudaDevice::load(const Variant& variant, const BuiltModule& module) {
  if (!variant.vendor.empty()) return load_cublas_kernel(variant);
  return load_cuda_kernel(variant, module, info_, stream_);
}

Address CudaDevice::allocate(int64_t bytes) {
  CUdeviceptr memory = 0;
  if (const CUresult result = driver().cuMemAlloc_(&memory, size_t(bytes)); result == CUDA_ERROR_OUT_OF_MEMORY)
    throw OverLimit(fmt::format("needs {} MB more memory than {} has left", bytes >> 20, info_.id));
  else
    check(result, "allocating");
  return reinterpret_cast<Address>(memory);
}

void CudaDevice::wait(const char* step) const { check(driver().cuStreamSynchronize_(stream_), step); }

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
  protect(memory, int64_t(host.size()));
  return memory;
}

void CudaDevice::protect(Address memory, int64_t bytes) { protected_.push_back({memory, bytes, checksum(memory, bytes)}); }

uint64_t CudaDevice::checksum(Address data, int64_t bytes) {
  const Address sum = scratch_ + 2 * kClockBytes;
  uint64_t words = uint64_t(bytes) / 16, value = 0;
  fill(sum, 0, sizeof value);
  CUdeviceptr from = pointer(data), to = pointer(sum);
  void* parameters[] = {&from, &words, &to};
  launch_simple(checksum_, unsigned(std::max<int64_t>(info_.limits.processors, 1)) * kChecksumBlocksPerProcessor, kChecksumThreads, stream_,
                parameters);
  read(&value, sum, sizeof value);
  return value;
}

std::string CudaDevice::protected_changed() {
  for (const Protected& region : protected_)
    if (checksum(region.memory, region.bytes) != region.sum) return "wrote into weights, as they lie or prepared (their checksum has changed)";
  return "";
}

void CudaDevice::probe_clock(int slot, uint64_t ns) {
  CUdeviceptr out = pointer(scratch_ + slot * kClockBytes);
  void* parameters[] = {&out, &ns};
  launch_simple(clock_probe_, 1, 1, stream_, parameters);
}

/// Whether the processors ran slower before or after the launches than this worker has seen them run.
bool CudaDevice::clock_dropped() {
  Clock clocks[2];
  read(clocks, scratch_, sizeof clocks);
  best_mhz_ = std::max({best_mhz_, clocks[0].mhz(), clocks[1].mhz()});
  return std::min(clocks[0].mhz(), clocks[1].mhz()) < best_mhz_ * (1 - kClockTolerance);
}

double CudaDevice::elapsed_us() const {
  float ms = 0;
  check(driver().cuEventElapsedTime_(&ms, begin_, end_), "timing");
  return double(ms) * 1e3;
}

std::vector<LaunchTimes> CudaDevice::time(std::span<const Launch> sequence) {
  wait("preparing");
  if (sequence.size() == 1) return {time_one(sequence[0])};
  return std::vector<LaunchTimes>(sequence.size(), time_graph(sequence));
}

/// One dispatch as an engine without graphs would do it.
LaunchTimes CudaDevice::time_one(const Launch& launch) {
  auto& kernel = static_cast<StreamKernel&>(*launch.kernel);
  LaunchTimes times;
  check(driver().cuEventRecord_(begin_, stream_), "timing");
  const int64_t began = now_ns();
  int64_t encoded = began;
  kernel.enqueue(launch, stream_, &encoded);
  const int64_t submitted = now_ns();
  check(driver().cuEventRecord_(end_, stream_), "timing");
  const int64_t waiting = now_ns();
  wait("running");
  times.wait_us = us_between(waiting, now_ns());
  times.encode_us = us_between(began, encoded);
  times.submit_us = us_between(encoded, submitted);
  times.device_us = elapsed_us();
  return times;
}

CUgraphExec CudaDevice::capture(std::span<const Launch> sequence) {
  CUgraph graph = nullptr;
  CUgraphExec executable = nullptr;
  check(driver().cuStreamBeginCapture_(stream_, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "capturing");
  try {
    for (const Launch& launch : sequence) static_cast<StreamKernel&>(*launch.kernel).enqueue(launch, stream_, nullptr);
  } catch (...) {
    driver().cuStreamEndCapture_(stream_, &graph);  // else no later call would work
    throw;
  }
  check(driver().cuStreamEndCapture_(stream_, &graph), "capturing");
  check(driver().cuGraphInstantiateWithFlags_(&executable, graph, 0), "making a graph");
  check(driver().cuGraphDestroy_(graph), "making a graph");
  check(driver().cuGraphUpload_(executable, stream_), "making a graph");
  return executable;
}

/// All launches as one graph: no gap between them but what the device itself needs.
LaunchTimes CudaDevice::time_graph(std::span<const Launch> sequence) {
  const int64_t began = now_ns();
  const CUgraphExec graph = capture(sequence);
  const int64_t encoded = now_ns();
  wait("making a graph");

  probe_clock(0, kProbeBeforeNs);
  check(driver().cuEventRecord_(begin_, stream_), "timing");
  const int64_t submitting = now_ns();
  check(driver().cuGraphLaunch_(graph, stream_), "launching a graph");
  const int64_t submitted = now_ns();
  check(driver().cuEventRecord_(end_, stream_), "timing");
  probe_clock(1, kProbeAfterNs);
  wait("running");
  check(driver().cuGraphExecDestroy_(graph), "ending a graph");

  const double count = double(sequence.size());
  LaunchTimes times;
  times.launches = int32_t(sequence.size());
  times.device_us = elapsed_us() / count;
  times.encode_us = us_between(began, encoded) / count;
  times.submit_us = us_between(submitting, submitted) / count;
  times.wait_us = times.device_us;  // the probes around the graph are no part of what an engine would wait for
  times.disturbed = clock_dropped();
  return times;
}

}  // namespace assay
