// The CPU device.
#include "backend/cpu/cpu_device.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "backend/cpu/cpu_info.h"
#include "backend/cpu/cpu_program.h"

namespace assay {
namespace {

constexpr int64_t kFillOnSeveral = int64_t(16) << 20, kMostFilling = 4, kPageBytes = int64_t(2) << 20;

/// "" where there is none.
std::string limit_of_process() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "";
  return fmt::format(" (its process may have {} MB of addresses in all)", limit.rlim_cur >> 20);
}

}  // namespace

CpuDevice::CpuDevice(int threads, bool pins_caller, Waits waits)
    : cpus_(allowed_cpus(threads > 0 ? threads : INT64_MAX)), pins_caller_(pins_caller), waits_(waits) {}

Team& CpuDevice::team() {
  if (!team_) team_ = std::make_unique<Team>(cpus_, pins_caller_, waits_);
  return *team_;
}

std::unique_ptr<LoadedKernel> CpuDevice::load(const Variant& variant, const BuiltModule& module) {
  if (variant.threading == Threading::own) {  // read by OpenMP runtimes and BLAS pools when they are loaded
    const std::string count = std::to_string(cpus_.size());
    for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) setenv(name, count.c_str(), 1);
    setenv("OMP_WAIT_POLICY", "active", 1);
    setenv("OMP_DYNAMIC", "false", 1);
    for (const char* name : {"DNNL_VERBOSE", "ONEDNN_VERBOSE", "MKL_VERBOSE"})
      unsetenv(name);  // a kernel prints nothing
  }
  return std::make_unique<CpuKernel>(variant, module, cpus_);
}

Address CpuDevice::allocate(int64_t bytes) {
  void* memory = mmap(nullptr, size_t(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw NoRoom(fmt::format("cannot allocate {} bytes: {}{}", bytes, strerror(errno), limit_of_process()));
  if (bytes >= 2 * kPageBytes) madvise(memory, size_t(bytes), MADV_HUGEPAGE);
  memory_.emplace_back(static_cast<std::byte*>(memory), Unmap{bytes});
  return static_cast<std::byte*>(memory);
}

void CpuDevice::release(Address block) noexcept {
  std::erase_if(memory_, [block](const auto& mapped) { return mapped.get() == block; });
}

void CpuDevice::write(Address to, const void* from, int64_t bytes) { std::memcpy(to, from, size_t(bytes)); }
void CpuDevice::read(void* to, Address from, int64_t bytes) { std::memcpy(to, from, size_t(bytes)); }

/// Memory that was never touched costs more to get than to fill: on several processors, where it is much.
void CpuDevice::fill(Address to, unsigned char byte, int64_t bytes) {
  const int64_t threads = bytes < kFillOnSeveral ? 1 : std::min(int64_t(cpus_.size()), kMostFilling);
  const int64_t share = bytes / threads / kPageBytes * kPageBytes;
  std::vector<std::jthread> others;
  for (int64_t i = 1; i < threads; ++i)
    others.emplace_back([=, this] {
      pin_this_thread(cpus_[size_t(i)]);
      std::memset(to + (i - 1) * share, byte, size_t(share));
    });
  const int64_t done = (threads - 1) * share;
  std::memset(to + done, byte, size_t(bytes - done));
}

/// Kernels with pools of their own get no team beside them.
std::unique_ptr<Program> CpuDevice::bind(std::span<const Launch> launches) {
  return std::make_unique<CpuProgram>(
      launches, uint32_t(cpus_.size()), [this]() -> Team& { return team(); }, /*gives_way=*/!pins_caller_);
}

}  // namespace assay
