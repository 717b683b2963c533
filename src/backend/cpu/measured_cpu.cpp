// Instruments of the CPU device.
#include "backend/cpu/measured_cpu.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "backend/cpu/cpu_program.h"
#include "base/clock.h"
#include "base/error.h"

namespace assay {
namespace {

constexpr double kDisturbedShare = 0.01;  // of a launch's time
constexpr int kLateWays = 2;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitAddressSpace = false;  // their shadow memory takes terabytes of it
#else
constexpr bool kLimitAddressSpace = true;
#endif

void limit_memory(int64_t further_bytes) {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0;
  if (!kLimitAddressSpace || !(in >> pages)) return;
  const rlim_t limit = rlim_t(pages * sysconf(_SC_PAGESIZE) + further_bytes);
  const rlimit wanted{limit, limit};
  setrlimit(RLIMIT_AS, &wanted);
}

// The handler may only read plain globals.
struct Ranges {
  struct {
    const std::byte *first, *last;
  } ranges[64];
  volatile int count = 0;

  void add(const std::byte* memory, int64_t bytes) {
    const int slot = count;
    ASSAY_CHECK(slot < int(std::size(ranges)));
    ranges[slot] = {memory, memory + bytes};
    count = slot + 1;
  }
  /// The range that begins there, if there is one.
  void remove(const std::byte* memory) {
    for (int i = 0; i < count; ++i)
      if (ranges[i].first == memory) {
        ranges[i] = ranges[count - 1];
        count = count - 1;
        return;
      }
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

/// A kernel may overrun its stack: the handler needs its own.
void install_traps() {
  const stack_t stack{std::malloc(1 << 16), 0, 1 << 16};
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

MeasuredCpu::MeasuredCpu(int threads, int64_t memory_limit_bytes, Waits waits)
    : Instrumented(threads, /*pins_caller=*/true, waits), float_control_(float_control()), process_([&] {
        limit_memory(memory_limit_bytes);
        install_traps();
        return ProcessState(inner_.cpus());
      }()) {}

std::unique_ptr<LoadedKernel> MeasuredCpu::load(const Variant& variant, const BuiltModule& module) {
  fast_math_.clear();
  for (const std::string& flag : variant.compile_flags)
    if (flag == "-ffast-math" || flag == "-Ofast" || flag == "-funsafe-math-optimizations") fast_math_ = flag;
  return Instrumented::load(variant, module);
}

Address MeasuredCpu::import(std::span<std::byte> host) {
  protect(host.data(), int64_t(host.size()));
  return host.data();
}

void MeasuredCpu::protect(Address memory, int64_t bytes) {
  if (mprotect(memory, size_t(bytes), PROT_READ) != 0)
    throw NoRoom(fmt::format("cannot protect {} bytes of input: {}", bytes, strerror(errno)));
  read_only.add(memory, bytes);
}

bool MeasuredCpu::close_off(Address memory, int64_t bytes) { return mprotect(memory, size_t(bytes), PROT_NONE) == 0; }

bool MeasuredCpu::unprotect(Address memory, int64_t bytes) {
  read_only.remove(memory);
  return mprotect(memory, size_t(bytes), PROT_READ | PROT_WRITE) == 0;
}

bool MeasuredCpu::withhold(Address memory, int64_t bytes) {
  if (mprotect(memory, size_t(bytes), PROT_NONE) != 0) return false;
  withheld.add(memory, bytes);
  return true;
}

/// One to a processor. Where there are more, another library's pool lies beside the kernel's, asleep sooner or later:
/// then the first keeps its processor for itself and the others share the rest. One by one the kernel's second thread
/// came to the first one's processor, and launches of 0.15 ms took 8.
void MeasuredCpu::pin_foreign_threads() {
  const std::vector<int> ids = thread_ids();
  if (ids.size() == disturbance_.threads_watched()) return;
  const std::vector<int>& cpus = inner_.cpus();
  for (size_t i = 0; i < ids.size(); ++i) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (i == 0 || ids.size() <= cpus.size())
      CPU_SET(cpus[i], &set);
    else
      for (size_t other = std::min<size_t>(1, cpus.size() - 1); other < cpus.size(); ++other)
        CPU_SET(cpus[other], &set);
    sched_setaffinity(ids[i], sizeof set, &set);
  }
  disturbance_.watch_threads();
}

/// Awake, pinned and watched before the clock starts.
void MeasuredCpu::make_ready(Threading threading) {
  if (threading == Threading::own) return pin_foreign_threads();
  inner_.team().wake();
  if (watches_team_) return;
  disturbance_.watch_threads();
  watches_team_ = true;
}

std::vector<LaunchTimes> MeasuredCpu::time(Program& program) {
  auto& bound = static_cast<CpuProgram&>(program);
  std::vector<LaunchTimes> times(size_t(bound.size()));
  for (int64_t i = 0; i < bound.size(); ++i) {
    make_ready(bound.threading(i));
    disturbance_.begin();
    const int64_t entered = now_ns();
    bound.run(i);
    const int64_t returned = now_ns();
    for (const ReadBack& range : std::exchange(at_return_, {})) read(range.to, range.from, range.bytes);
    const int64_t taken = disturbance_.end_ns();
    LaunchTimes& t = times[size_t(i)];
    t.wait_us = t.device_us = double(returned - entered) * 1e-3;
    t.disturbed = double(taken) > kDisturbedShare * double(returned - entered);
    program.wait();
  }
  return times;
}

int MeasuredCpu::uneven_ways(const Launch& launch) {
  const Threading threading = static_cast<const CpuKernel*>(launch.kernel)->threading();
  const auto size = uint32_t(inner_.cpus().size());
  if (threading == Threading::own || size < 2) return 0;
  return threading == Threading::region ? kLateWays : size > 2 ? kLateWays + 2 : kLateWays + 1;
}

/// First the first thread is late, then all others; then one thread runs alone, then all but one.
void MeasuredCpu::dispatch_unevenly(const Launch& launch, int way) {
  const auto size = uint32_t(inner_.cpus().size());
  const std::unique_ptr<Program> program = bind({&launch, 1});
  const uint64_t late = way == 0 ? 1 : way == 1 ? ~uint64_t(1) : 0;
  const uint32_t threads = way < kLateWays ? size : way == kLateWays ? 1 : size - 1;
  if (inner_.has_team()) inner_.team().wake();
  static_cast<CpuProgram&>(*program).run_unevenly(0, threads, late);
  for (const ReadBack& range : std::exchange(at_return_, {})) read(range.to, range.from, range.bytes);
  program->wait();
}

std::string MeasuredCpu::left_in_process() { return process_.changed(inner_.has_team() ? &inner_.team() : nullptr); }

std::string MeasuredCpu::left_behind() {
  std::string message;
  if (inner_.has_team()) message = inner_.team().changed_float_state();
  if (float_control() != float_control_) {
    message = "left the floating-point control state (rounding or flush to zero) changed";
    set_float_control(float_control_);
  }
  if (!message.empty() && !fast_math_.empty())
    message += fmt::format("; its flag {} links crtfastmath.o, which does so as it is loaded", fast_math_);
  return message;
}

}  // namespace assay
