// Instruments of a GPU: programs timed between two clock probes, outputs looked at where they are.
#include "backend/cuda/measured_cuda.h"

#include <algorithm>
#include <cstring>
#include <utility>

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
constexpr int64_t kStagingBytes = int64_t(1) << 20, kScatteredBytes = int64_t(64) << 10;
constexpr size_t kMostGathered = 4096;
constexpr unsigned kGatherBlocks = 8;  // of one range
constexpr unsigned kChecksumBlocksPerProcessor = 8;
constexpr int64_t kSurveyBlockBytes = 4096,
                  kMostSurveyBlocks = 64;  // of one buffer: what a block looks at, at least; and how many there are

void enqueue(const Launch& launch, CUstream stream, int64_t* encoded_ns) {
  static_cast<StreamKernel&>(*launch.kernel).enqueue(launch, stream, encoded_ns);
}

double us_between(int64_t from, int64_t to) { return double(to - from) * 1e-3; }

}  // namespace

MeasuredCuda::MeasuredCuda(const DeviceInfo& info) : Instrumented(info) {
  check(driver().cuEventCreate_(&begin_, CU_EVENT_DEFAULT), "making an event");
  check(driver().cuEventCreate_(&end_, CU_EVENT_DEFAULT), "making an event");
  CUmodule module = nullptr;
  check(driver().cuModuleLoadData_(&module, kDeviceCode), "loading the probes");
  check(driver().cuModuleGetFunction_(&clock_probe_, module, "clock_probe"), "loading the probes");
  check(driver().cuModuleGetFunction_(&survey_, module, "survey"), "loading the probes");
  CUfunction checksum = nullptr;
  check(driver().cuModuleGetFunction_(&checksum, module, "checksum"), "loading the probes");
  protected_.open(checksum,
                  unsigned(std::max<int64_t>(inner_.info().limits.processors, 1)) * kChecksumBlocksPerProcessor,
                  inner_.stream(), inner_.info().limits.l2_bytes);
  check(driver().cuModuleGetFunction_(&gather_, module, "gather"), "loading the probes");
  check(driver().cuModuleGetFunction_(&project_, module, "project"), "loading the probes");
  scratch_ = allocate(kSurveyOffset + kMostSurveys * int64_t(sizeof(Surveyed)));
  gathering_ = static_cast<Gathered*>(allocate_on_host(int64_t(kMostGathered * sizeof(Gathered))));
  staging_ = static_cast<std::byte*>(allocate_on_host(kStagingBytes));
  scattering_ = static_cast<Gathered*>(allocate_on_host(int64_t(kMostGathered * sizeof(Gathered))));
  scattered_ = static_cast<std::byte*>(allocate_on_host(kScatteredBytes));
}

void MeasuredCuda::read(void* to, Address from, int64_t bytes) {
  const ReadBack range{to, from, bytes};
  read_all({&range, 1});
}

/// Many at a time, by one kernel that brings them to staging_: each copy of the driver's takes 5 to 10 us.
void MeasuredCuda::read_all(std::span<const ReadBack> ranges) {
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
      check(
          driver().cuMemcpyDtoHAsync_(ranges[0].to, pointer(ranges[0].from), size_t(ranges[0].bytes), inner_.stream()),
          "reading");
      ranges = ranges.subspan(1);
      continue;
    }
    void* parameters[] = {&gathering_};
    launch_own_kernel(gather_, kGatherBlocks, unsigned(count), inner_.stream(), parameters);
    inner_.wait("reading");
    for (size_t i = 0; i < count; ++i) std::memcpy(ranges[i].to, gathering_[i].to, size_t(ranges[i].bytes));
    ranges = ranges.subspan(count);
  }
  inner_.wait("reading");
}

/// The same the other way round, of short stretches.
void MeasuredCuda::write_all(std::span<const WriteOver> stretches) {
  while (!stretches.empty()) {
    inner_.wait("writing");  // the table may still be in use
    unsigned count = 0;
    for (int64_t used = 0; count < stretches.size() && count < kMostGathered; ++count) {
      const WriteOver& w = stretches[count];
      if (used + w.bytes > kScatteredBytes) break;
      std::memcpy(scattered_ + used, w.from, size_t(w.bytes));
      scattering_[count] = {pointer(scattered_ + used), reinterpret_cast<std::byte*>(pointer(w.to)), 0,
                            uint64_t(w.bytes)};
      used += w.bytes;
    }
    if (count == 0) {  // too big
      write(stretches[0].to, stretches[0].from, stretches[0].bytes);
      count = 1;
    } else {
      void* parameters[] = {&scattering_};
      launch_own_kernel(gather_, /*blocks=*/1, count, inner_.stream(), parameters, /*threads=*/32);
    }
    stretches = stretches.subspan(count);
  }
}

void MeasuredCuda::look(Look& look) {
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

void MeasuredCuda::survey(const GuardedBuffers& buffers, Address out) {
  ASSAY_CHECK(buffers.count < 65'535);
  CUdeviceptr memory = pointer(buffers.memory), to = pointer(out);
  uint32_t guard = uint32_t(buffers.guard), bytes = uint32_t(buffers.bytes), step = uint32_t(buffers.step);
  uint32_t infinity = buffers.dtype == Dtype::f16 ? 0x7c00'0000u : 0x7f80'0000u,
           upper = buffers.dtype == Dtype::f32 ? 0xffff'ffffu : 0xffff'0000u;
  void* parameters[] = {&memory, &guard, &bytes, &step, &infinity, &upper, &to};
  const auto blocks = unsigned(std::clamp<int64_t>(buffers.step / kSurveyBlockBytes, 1, kMostSurveyBlocks));
  launch_own_kernel(survey_, blocks, unsigned(buffers.count + 1), inner_.stream(), parameters);
}

/// Into memory of its own, from where `ranges` brings them.
void MeasuredCuda::project(const std::vector<GuardedBuffers>& buffers, std::vector<ReadBack>& ranges) {
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
    launch_own_kernel(project_, unsigned(rows(b)) * of_row, unsigned(b.count), inner_.stream(), parameters,
                      /*threads=*/32);
    const int64_t bytes = b.count * rows(b) * stretches(b) * kProjectionBytes;
    ranges.push_back({b.sums, next, bytes});
    next += bytes;
  }
}

Address MeasuredCuda::import(std::span<std::byte> host) {
  const Address memory = inner_.import(host);
  protected_.add(pointer(memory), int64_t(host.size()), /*shared=*/true);
  return memory;
}

bool MeasuredCuda::hand_over(std::span<const Launch> launches, std::span<const HandedOver> inputs) {
  if (!inner_.info().can_overlap()) return false;
  protected_.finish();
  inner_.wait("preparing");
  late_.run(launches, inputs, inner_.stream(), [this] { call_meanwhile(); });
  return true;
}

void MeasuredCuda::call_meanwhile() {
  if (const auto call = std::exchange(meanwhile, nullptr)) call();
}

Counts MeasuredCuda::counts() {
  if (!can_count_) return {};
  inner_.wait("counting");
  try {
    if (!counters_) counters_ = std::make_unique<GpuCounters>(inner_);
    return counters_->read();
  } catch (const Error&) {  // another program may hold the counters now: nothing is counted, and nobody accused
    can_count_ = false;
    return {};
  }
}

void MeasuredCuda::protect(Address block, int64_t bytes) { protected_.add(pointer(block), bytes, /*shared=*/false); }

std::string MeasuredCuda::protected_changed(std::span<const Address> blocks) {
  if (!protected_.is_started()) protected_.start(blocks);
  protected_.finish();
  return protected_.changed() ? "wrote into weights, as they lie or prepared (their checksum has changed)" : "";
}

void MeasuredCuda::probe_clock(int slot, uint64_t ns) {
  CUdeviceptr out = pointer(scratch_ + slot * kClockBytes);
  void* parameters[] = {&out, &ns};
  launch_own_kernel(clock_probe_, 1, 1, inner_.stream(), parameters, /*threads=*/1);
}

/// Whether the processors ran slower before or after the launches than this worker has seen them run.
bool MeasuredCuda::clock_dropped() {
  Clock clocks[2];
  read(clocks, scratch_, sizeof clocks);
  best_mhz_ = std::max({best_mhz_, clocks[0].mhz(), clocks[1].mhz()});
  return std::min(clocks[0].mhz(), clocks[1].mhz()) < best_mhz_ * (1 - kClockTolerance);
}

double MeasuredCuda::elapsed_us() const {
  float ms = 0;
  check(driver().cuEventElapsedTime_(&ms, begin_, end_), "timing");
  return double(ms) * 1e3;
}

LaunchTimes MeasuredCuda::dispatch(const Launch& launch) {
  protected_.finish();
  inner_.wait("preparing");
  LaunchTimes times;
  check(driver().cuEventRecord_(begin_, inner_.stream()), "timing");
  const int64_t began = now_ns();
  int64_t encoded = began;
  enqueue(launch, inner_.stream(), &encoded);
  const int64_t submitted = now_ns();
  check(driver().cuEventRecord_(end_, inner_.stream()), "timing");
  const int64_t waiting = now_ns();
  inner_.wait("running");
  times.wait_us = us_between(waiting, now_ns());
  times.encode_us = us_between(began, encoded);
  times.submit_us = us_between(encoded, submitted);
  times.device_us = elapsed_us();
  return times;
}

std::vector<LaunchTimes> MeasuredCuda::time(Program& program) {
  auto& graph = static_cast<CudaProgram&>(program);
  protected_.finish();
  inner_.wait("preparing");
  probe_clock(0, kProbeBeforeNs);
  check(driver().cuEventRecord_(begin_, inner_.stream()), "timing");
  const int64_t submitting = now_ns();
  graph.run();
  const int64_t submitted = now_ns();
  check(driver().cuEventRecord_(end_, inner_.stream()), "timing");
  probe_clock(1, kProbeAfterNs);
  call_meanwhile();
  inner_.wait("running");

  const double count = double(graph.size());
  LaunchTimes times;
  times.launches = int32_t(graph.size());
  times.device_us = elapsed_us() / count;
  times.submit_us = us_between(submitting, submitted) / count;
  times.wait_us = times.device_us;  // the probes around them are no part of what an engine would wait for
  times.disturbed = clock_dropped();
  return std::vector<LaunchTimes>(size_t(graph.size()), times);
}

}  // namespace assay
