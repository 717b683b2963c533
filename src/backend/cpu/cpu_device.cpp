// The CPU device: memory of this process, modules loaded with dlopen, launches timed from entry to return.
#include "backend/cpu/cpu_device.h"

#include <dlfcn.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "backend/cpu/cpu_info.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/private_folder.h"

namespace assay {
namespace {

constexpr double kDisturbedShare = 0.01;  // of a launch's time
constexpr int64_t kFillOnSeveral = int64_t(16) << 20, kMostFilling = 4, kPageBytes = int64_t(2) << 20;

// The handler may only read plain globals.
struct Ranges {
  struct {
    const std::byte *first, *last;
  } ranges[16];
  volatile int count = 0;

  void add(const std::byte* memory, int64_t bytes) {
    const int slot = count;
    ASSAY_CHECK(slot < int(std::size(ranges)));
    ranges[slot] = {memory, memory + bytes};
    count = slot + 1;
  }
  bool contain(const std::byte* address) const {
    for (int i = 0; i < count; ++i)
      if (address >= ranges[i].first && address < ranges[i].last) return true;
    return false;
  }
};
Ranges read_only, withheld;

/// Elsewhere it cannot be told, and what is withheld is more likely to be read.
bool is_write([[maybe_unused]] const void* context) {
#if defined(__x86_64__)
  return static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2;
#else
  return false;
#endif
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const auto* address = static_cast<const std::byte*>(info->si_addr);
  if (withheld.contain(address) && !is_write(context)) _exit(kExitReadWithheld);
  if (read_only.contain(address)) _exit(kExitWroteInput);
  ::signal(signal, SIG_DFL);  // returning repeats the access, which now ends the process with its own signal
}

/// The ABI's view of a launch: arrays that live as long as the call.
struct Call {
  assay_tensor tensors[16];
  assay_param params[8];
  assay_call call;

  explicit Call(const Launch& launch) {
    ASSAY_CHECK(launch.tensors.size() <= std::size(tensors));
    for (size_t i = 0; i < launch.tensors.size(); ++i) {
      const Tensor& t = launch.tensors[i];
      tensors[i] = {t.data,
                    t.scales,
                    uint32_t(t.operand),
                    t.segment,
                    uint32_t(t.dtype),
                    uint32_t(t.storage),
                    {t.dims[0], t.dims[1], t.dims[2], 1},
                    {t.strides[0], t.strides[1], t.strides[2], 1}};
    }
    ASSAY_CHECK(launch.params.size() <= std::size(params));
    for (size_t i = 0; i < launch.params.size(); ++i) params[i] = {launch.params[i].id, 0, launch.params[i].value};
    call = {sizeof(assay_call),
            ASSAY_ABI_VERSION,
            launch.op->id,
            uint32_t(launch.tensors.size()),
            tensors,
            params,
            uint32_t(launch.params.size()),
            0,
            launch.workspace,
            size_t(launch.workspace_bytes),
            launch.prepared,
            size_t(launch.prepared_bytes)};
  }
  Call(const Call&) = delete;
};

/// The loader's words say "failed to map segment" where they mean that the folder's file system is mounted noexec.
std::string cannot_load(const std::filesystem::path& module, const std::string& why) {
  if (is_mounted_noexec(module))
    return fmt::format("{}: its folder is mounted noexec; mount it otherwise, or set XDG_CACHE_HOME to another one",
                       module.string());
  return why;
}

class CpuKernel final : public LoadedKernel {
 public:
  CpuKernel(const Variant& variant, const BuiltModule& module, uint32_t threads)
      : threading_(variant.threading), threads_(threads) {
    handle_ = dlopen(module.file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle_) throw Unavailable(fmt::format("{}: {}", variant.id(), cannot_load(module.file, dlerror())));
    const auto entry = reinterpret_cast<const assay_kernel* (*)()>(dlsym(handle_, "assay_kernel_entry"));
    if (!entry) fail("{}: exports no assay_kernel_entry", variant.id());
    kernel_ = entry();
    if (!kernel_ || kernel_->abi_version != ASSAY_ABI_VERSION || kernel_->struct_size < sizeof(assay_kernel) ||
        !kernel_->run)
      fail("{}: built for another kernel ABI (this is version {})", variant.id(), ASSAY_ABI_VERSION);
    if (variant.prepares != (kernel_->prepare != nullptr))
      fail("{}: its manifest says prepare is {}, its module says the opposite", variant.id(), variant.prepares);
  }

  int64_t workspace_bytes(const Launch& launch) override {
    const Call call(launch);
    return kernel_->workspace_bytes ? int64_t(kernel_->workspace_bytes(&call.call, threads_)) : 0;
  }
  int64_t prepared_bytes(const Launch& launch) override {
    const Call call(launch);
    return kernel_->prepared_bytes ? int64_t(kernel_->prepared_bytes(&call.call)) : 0;
  }
  void prepare(const Launch& launch) override {
    const Call call(launch);
    check(kernel_->prepare(&call.call, launch.prepared), "prepare");
  }

  Threading threading() const { return threading_; }
  /// noexcept: an exception that leaves a kernel is its crash, on whichever thread.
  int run(const assay_call* call, const assay_thread* thread) const noexcept { return kernel_->run(call, thread); }

  void check(int status, const char* step) const {
    if (status == ASSAY_UNSUPPORTED) fail("its {} says it does not support this call, though its manifest does", step);
    if (status != ASSAY_OK) fail("its {} returned {}", step, status);
  }

 private:
  void* handle_ = nullptr;  // kept until the worker ends: threads of vendor pools run in it
  const assay_kernel* kernel_ = nullptr;
  Threading threading_;
  uint32_t threads_;
};

struct TeamRun {
  const CpuKernel* kernel;
  const assay_call* call;
  std::atomic<int> status{ASSAY_OK};
};

void run_on_member(const assay_thread* thread, void* argument) {
  auto& run = *static_cast<TeamRun*>(argument);
  if (const int status = run.kernel->run(run.call, thread); status != ASSAY_OK) run.status = status;
}

void run_region(const assay_thread* thread, void (*work)(const assay_thread*, void*), void* argument) {
  static_cast<Team*>(thread->team)->run(work, argument);
}

}  // namespace

CpuDevice::CpuDevice(int threads) : cpus_(allowed_cpus()), float_control_(float_control()) {
  if (threads > 0 && size_t(threads) < cpus_.size()) cpus_.resize(size_t(threads));
  // A kernel may overrun its stack: the handler needs its own.
  const stack_t stack{std::malloc(1 << 16), 0, 1 << 16};
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

Team& CpuDevice::team() {
  if (!team_) {
    team_ = std::make_unique<Team>(cpus_);
    disturbance_.watch_threads();
  }
  return *team_;
}

std::unique_ptr<LoadedKernel> CpuDevice::load(const Variant& variant, const BuiltModule& module) {
  if (variant.threading == Threading::own) {  // read by OpenMP runtimes and BLAS pools when they are loaded
    const std::string count = std::to_string(cpus_.size());
    for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}) setenv(name, count.c_str(), 1);
    setenv("OMP_WAIT_POLICY", "active", 1);
    setenv("OMP_DYNAMIC", "false", 1);
  }
  return std::make_unique<CpuKernel>(variant, module, uint32_t(cpus_.size()));
}

Address CpuDevice::import(std::span<std::byte> host) {
  protect(host.data(), int64_t(host.size()));
  return host.data();
}

void CpuDevice::protect(Address memory, int64_t bytes) {
  if (mprotect(memory, size_t(bytes), PROT_READ) != 0)
    throw NoRoom(fmt::format("cannot protect {} bytes of input: {}", bytes, strerror(errno)));
  read_only.add(memory, bytes);
}

bool CpuDevice::withhold(Address memory, int64_t bytes) {
  if (mprotect(memory, size_t(bytes), PROT_NONE) != 0) return false;
  withheld.add(memory, bytes);
  return true;
}

Address CpuDevice::allocate(int64_t bytes) {
  void* memory = mmap(nullptr, size_t(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw NoRoom(fmt::format("cannot allocate {} bytes: {}", bytes, strerror(errno)));
  if (bytes >= (4 << 20)) madvise(memory, size_t(bytes), MADV_HUGEPAGE);
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

void CpuDevice::pin_foreign_threads() {
  const std::vector<int> ids = thread_ids();
  if (ids.size() == disturbance_.threads_watched()) return;
  for (size_t i = 0; i < ids.size(); ++i) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus_[i % cpus_.size()], &set);
    sched_setaffinity(ids[i], sizeof set, &set);
  }
  disturbance_.watch_threads();
}

std::vector<LaunchTimes> CpuDevice::time(std::span<const Launch> sequence) {
  std::vector<LaunchTimes> times(sequence.size());
  for (size_t i = 0; i < sequence.size(); ++i) {
    const auto& kernel = static_cast<const CpuKernel&>(*sequence[i].kernel);
    if (kernel.threading() == Threading::own) {
      pin_foreign_threads();
    } else {
      team().wake();
    }
    disturbance_.begin();
    const int64_t start = now_ns();
    const Call call(sequence[i]);
    TeamRun run{&kernel, &call.call};
    const int64_t entered = now_ns();
    if (kernel.threading() == Threading::team) {
      team().run(run_on_member, &run);
    } else {
      const assay_thread once{sizeof(assay_thread), 0, 1, uint32_t(cpus_.size()), team_.get(), nullptr, run_region};
      run_on_member(&once, &run);
    }
    const int64_t returned = now_ns();
    const int64_t taken = disturbance_.end_ns();
    times[i].encode_us = double(entered - start) * 1e-3;
    times[i].wait_us = times[i].device_us = double(returned - entered) * 1e-3;
    times[i].disturbed = double(taken) > kDisturbedShare * double(returned - entered);
    kernel.check(run.status, "run");
  }
  return times;
}

std::string CpuDevice::left_behind() {
  std::string message;
  if (team_) message = team_->changed_float_state();
  if (float_control() != float_control_) {
    message = "left the floating-point control state (rounding or flush to zero) changed";
    set_float_control(float_control_);
  }
  return message;
}

}  // namespace assay
