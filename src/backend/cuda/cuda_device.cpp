// One GPU in one worker process: memory, and sequences of launches timed as graphs between two clock probes.
#include "backend/cuda/cuda_device.h"

#include <algorithm>
#include <cstring>

#include "backend/cuda/cublas_kernel.h"
#include "backend/cuda/device_code.h"
#include "backend/cuda/own_kernel.h"
#include "base/clock.h"

namespace assay {
namespace {

// Busy before the graph, so that the host is done with submitting it before its first node may run.
constexpr uint64_t kProbeBeforeNs = 60'000, kProbeAfterNs = 20'000;
constexpr double kClockTolerance = 0.04;
constexpr int64_t kProjectionBytes = 2 * sizeof(double);
constexpr int64_t kClockBytes = 16, kSurveyOffset = 2 * kClockBytes;
constexpr int64_t kMostSurveys = 16;  // at once: as many segments as a spec may have
constexpr int64_t kStagingBytes = int64_t(1) << 20;
constexpr size_t kMostGathered = 4096;
constexpr unsigned kGatherBlocks = 8;  // of one range
constexpr unsigned kChecksumBlocksPerProcessor = 8;
constexpr int64_t kSurveyBlockBytes = 4096,
                  kMostSurveyBlocks = 64;  // of one buffer: what a block looks at, at least; and how many there are

CUdeviceptr pointer(Address address) { return reinterpret_cast<CUdeviceptr>(address); }

void enqueue(const Launch& launch, CUstream stream, int64_t* encoded_ns) {
  static_cast<StreamKernel&>(*launch.kernel).enqueue(launch, stream, encoded_ns);
}

double us_between(int64_t from, int64_t to) { return double(to - from) * 1e-3; }

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
  check(driver().cuModuleGetFunction_(&survey_, module, "survey"), "loading the probes");
  CUfunction checksum = nullptr;
  check(driver().cuModuleGetFunction_(&checksum, module, "checksum"), "loading the probes");
  protected_.open(checksum, unsigned(std::max<int64_t>(info_.limits.processors, 1)) * kChecksumBlocksPerProcessor,
                  stream_, info_.limits.l2_bytes);
  check(driver().cuModuleGetFunction_(&gather_, module, "gather"), "loading the probes");
  check(driver().cuModuleGetFunction_(&project_, module, "project"), "loading the probes");
  scratch_ = allocate(kSurveyOffset + kMostSurveys * int64_t(sizeof(Surveyed)));
  gathering_ = static_cast<Gathered*>(allocate_on_host(int64_t(kMostGathered * sizeof(Gathered))));
  staging_ = static_cast<std::byte*>(allocate_on_host(kStagingBytes));
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

void CudaDevice::wait(const char* step) const { check(driver().cuStreamSynchronize_(stream_), step); }

void CudaDevice::write(Address to, const void* from, int64_t bytes) {
  check(driver().cuMemcpyHtoDAsync_(pointer(to), from, size_t(bytes), stream_), "writing");
}

void CudaDevice::read(void* to, Address from, int64_t bytes) {
  const ReadBack range{to, from, bytes};
  read_all({&range, 1});
}

/// Many at a time, by one kernel that brings them to staging_: each copy of the driver's takes 5 to 10 us.
void CudaDevice::read_all(std::span<const ReadBack> ranges) {
  while (!ranges.empty()) {
    size_t count = 0;
    int64_t used = 0;
    for (; count < ranges.size() && count < kMostGathered && used + ranges[count].bytes <= kStagingBytes; ++count) {
      const ReadBack& range = ranges[count];
      const bool in_words = pointer(range.from) % 16 == 0;
      gathering_[count] = {pointer(range.from), staging_ + used, in_words ? uint64_t(range.bytes) / 16 : 0,
                           uint64_t(range.bytes)};
      used += (range.bytes + 63) / 64 * 64;
    }
    if (count == 0) {  // too big
      check(driver().cuMemcpyDtoHAsync_(ranges[0].to, pointer(ranges[0].from), size_t(ranges[0].bytes), stream_),
            "reading");
      ranges = ranges.subspan(1);
      continue;
    }
    void* parameters[] = {&gathering_};
    launch_own_kernel(gather_, kGatherBlocks, unsigned(count), stream_, parameters);
    wait("reading");
    for (size_t i = 0; i < count; ++i) std::memcpy(ranges[i].to, gathering_[i].to, size_t(ranges[i].bytes));
    ranges = ranges.subspan(count);
  }
  wait("reading");
}

void CudaDevice::look(Look& look) {
  ASSAY_CHECK(int64_t(look.buffers.size()) <= kMostSurveys);
  std::vector<Surveyed> seen(look.buffers.size());
  std::vector<ReadBack> ranges = look.ranges;
  if (!seen.empty()) {
    const int64_t bytes = int64_t(seen.size() * sizeof(Surveyed));
    const Address out = scratch_ + kSurveyOffset;
    fill(out, 0, bytes);
    for (size_t i = 0; i < seen.size(); ++i) survey(look.buffers[i], out + i * sizeof(Surveyed));
    ranges.push_back({seen.data(), out, bytes});
    project(look.buffers, ranges);
  }
  read_all(ranges);
  look.seen.clear();
  for (const Surveyed& s : seen) look.seen.push_back({s.broken == 0, s.sum});
}

void CudaDevice::survey(const GuardedBuffers& buffers, Address out) {
  ASSAY_CHECK(buffers.count < 65'535);
  CUdeviceptr memory = pointer(buffers.memory), to = pointer(out);
  uint32_t guard = uint32_t(buffers.guard), bytes = uint32_t(buffers.bytes), step = uint32_t(buffers.step);
  uint32_t infinity = buffers.dtype == Dtype::f16 ? 0x7c00'0000u : 0x7f80'0000u,
           upper = buffers.dtype == Dtype::f32 ? 0xffff'ffffu : 0xffff'0000u;
  void* parameters[] = {&memory, &guard, &bytes, &step, &infinity, &upper, &to};
  const auto blocks = unsigned(std::clamp<int64_t>(buffers.step / kSurveyBlockBytes, 1, kMostSurveyBlocks));
  launch_own_kernel(survey_, blocks, unsigned(buffers.count + 1), stream_, parameters);
}

/// Into memory of its own, from where `ranges` brings them.
void CudaDevice::project(const std::vector<GuardedBuffers>& buffers, std::vector<ReadBack>& ranges) {
  const auto rows = [](const GuardedBuffers& b) { return b.bytes / dtype_bytes(b.dtype, b.columns); };
  const auto stretches = [](const GuardedBuffers& b) {
    return (b.columns + kProjectionColumns - 1) / kProjectionColumns;
  };
  int64_t wanted = 0;
  for (const GuardedBuffers& b : buffers)
    if (b.weights) wanted += b.count * rows(b) * stretches(b) * kProjectionBytes;
  if (wanted > projected_bytes_) {
    projected_bytes_ = 2 * wanted;
    projected_ = allocate(projected_bytes_);
  }
  Address next = projected_;
  for (const GuardedBuffers& b : buffers) {
    if (!b.weights) continue;
    CUdeviceptr memory = pointer(b.memory), weights = pointer(b.weights), out = pointer(next);
    uint32_t guard = uint32_t(b.guard), step = uint32_t(b.step), columns = uint32_t(b.columns),
             of_row = uint32_t(stretches(b));
    uint32_t kind = b.dtype == Dtype::f32 ? 0 : b.dtype == Dtype::f16 ? 1 : 2;
    void* parameters[] = {&memory, &guard, &step, &columns, &of_row, &kind, &weights, &out};
    launch_own_kernel(project_, unsigned(rows(b)) * of_row, unsigned(b.count), stream_, parameters, /*threads=*/32);
    const int64_t bytes = b.count * rows(b) * stretches(b) * kProjectionBytes;
    ranges.push_back({b.sums, next, bytes});
    next += bytes;
  }
}

void CudaDevice::fill(Address to, unsigned char byte, int64_t bytes) {
  check(driver().cuMemsetD8Async_(pointer(to), byte, size_t(bytes), stream_), "filling");
}

Address CudaDevice::import(std::span<std::byte> host) {
  const Address memory = allocate(int64_t(host.size()));
  write(memory, host.data(), int64_t(host.size()));
  protected_.add(pointer(memory), int64_t(host.size()), /*shared=*/true);
  return memory;
}

void CudaDevice::protect(Address block, int64_t bytes) { protected_.add(pointer(block), bytes, /*shared=*/false); }

std::string CudaDevice::protected_changed(std::span<const Address> blocks) {
  if (!protected_.is_started()) protected_.start(blocks);
  protected_.finish();
  return protected_.changed() ? "wrote into weights, as they lie or prepared (their checksum has changed)" : "";
}

void CudaDevice::probe_clock(int slot, uint64_t ns) {
  CUdeviceptr out = pointer(scratch_ + slot * kClockBytes);
  void* parameters[] = {&out, &ns};
  launch_own_kernel(clock_probe_, 1, 1, stream_, parameters, /*threads=*/1);
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

LaunchTimes CudaDevice::dispatch(const Launch& launch) {
  protected_.finish();
  wait("preparing");
  LaunchTimes times;
  check(driver().cuEventRecord_(begin_, stream_), "timing");
  const int64_t began = now_ns();
  int64_t encoded = began;
  enqueue(launch, stream_, &encoded);
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
    for (const Launch& launch : sequence) enqueue(launch, stream_, nullptr);
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

/// Many launches as one graph: no gap between them but what the device itself needs.
std::vector<LaunchTimes> CudaDevice::time(std::span<const Launch> sequence) {
  protected_.finish();
  wait("preparing");
  const bool is_one = sequence.size() == 1;
  const int64_t began = now_ns();
  const CUgraphExec graph = is_one ? nullptr : capture(sequence);
  const int64_t captured = now_ns();
  wait("making a graph");

  probe_clock(0, kProbeBeforeNs);
  check(driver().cuEventRecord_(begin_, stream_), "timing");
  const int64_t submitting = now_ns();
  int64_t encoded = submitting;
  if (is_one)
    enqueue(sequence[0], stream_, &encoded);
  else
    check(driver().cuGraphLaunch_(graph, stream_), "launching a graph");
  const int64_t submitted = now_ns();
  check(driver().cuEventRecord_(end_, stream_), "timing");
  probe_clock(1, kProbeAfterNs);
  wait("running");
  if (graph) check(driver().cuGraphExecDestroy_(graph), "ending a graph");

  const double count = double(sequence.size());
  LaunchTimes times;
  times.launches = int32_t(sequence.size());
  times.device_us = elapsed_us() / count;
  times.encode_us = (us_between(began, captured) + us_between(submitting, encoded)) / count;
  times.submit_us = us_between(encoded, submitted) / count;
  times.wait_us = times.device_us;  // the probes around them are no part of what an engine would wait for
  times.disturbed = clock_dropped();
  return std::vector<LaunchTimes>(sequence.size(), times);
}

}  // namespace assay
