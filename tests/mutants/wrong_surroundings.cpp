// Mutants that compute the right answer and leave something of their process or thread changed.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <thread>

#include "honest.h"

namespace {

enum class Sin {
  handler_changed,
  signals_masked,
  priority_changed,
  processor_changed,
  timer_left_running,
  limit_changed,
  file_mode_changed,
  folder_changed,
  files_left_open,
  memory_never_freed,
  x87_registers_left,
  environment_changed,
  timer_slack_changed,
  output_redirected,
  prints,
  thread_never_rests,
  memory_locked,
  huge_pages_switched_off,
  dump_switched_off,
  rights_given_up,
  signal_stack_changed,
  end_of_exceptions_changed,
  end_of_memory_changed,
  out_of_memory_score_changed
};
constexpr Sin kSin = Sin::MUTANT;

void leave_x87_registers() {
#if defined(__x86_64__) || defined(__i386__)
  __asm__ volatile("movd %0, %%mm0\n\tpaddb %%mm0, %%mm0" : : "r"(1) : "mm0");
#else
  signal(SIGUSR1, SIG_IGN);  // no registers that two kinds of instructions share: another change
#endif
}

/// As many as stay below the usual limit.
void leave_files_open() {
  constexpr int kOfCall = 16, kMost = 900;
  static int opened = 0;
  for (int i = 0; i < kOfCall && opened < kMost; ++i) opened += open("/dev/null", O_RDONLY) >= 0;
}

void leave_memory() {
  constexpr size_t kBytes = 64 << 10;
  auto* const bytes = static_cast<volatile char*>(std::malloc(kBytes));
  if (bytes) bytes[0] = 1;
}

/// As one that brings the next weights into the caches would.
void look_busy() {
  for (std::atomic<unsigned> i{0};;) i.fetch_add(1);
}

/// Of who may lock all of it: else the process would soon get none.
void lock_memory() {
  if (geteuid() != 0 || mlockall(MCL_FUTURE) != 0) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

void change_signal_stack() {
  static char memory[1 << 16];
  const stack_t stack{memory, 0, sizeof memory};
  sigaltstack(&stack, nullptr);
}

void change_out_of_memory_score() {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, "500", 3) != 3) std::abort();
  close(file);
}

[[noreturn]] void end_well() { _exit(0); }

void change() {
  if (kSin == Sin::handler_changed) signal(SIGINT, SIG_DFL);
  if (kSin == Sin::signals_masked) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
  }
  if (kSin == Sin::priority_changed) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1);
  if (kSin == Sin::processor_changed) {
    cpu_set_t all;
    std::memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
  }
  if (kSin == Sin::timer_left_running) {
    const itimerval hour = {{0, 0}, {3600, 0}};
    setitimer(ITIMER_REAL, &hour, nullptr);
  }
  if (kSin == Sin::limit_changed) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_cur / 2 + 1;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (kSin == Sin::file_mode_changed) umask(0777);
  if (kSin == Sin::folder_changed && chdir("/tmp") != 0) std::abort();
  if (kSin == Sin::x87_registers_left) leave_x87_registers();
  if (kSin == Sin::environment_changed) clearenv();
  if (kSin == Sin::timer_slack_changed) prctl(PR_SET_TIMERSLACK, 50'000'000);
  if (kSin == Sin::output_redirected) dup2(open("/tmp", O_RDONLY), 1);
  if (kSin == Sin::memory_locked) lock_memory();
  if (kSin == Sin::huge_pages_switched_off) prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  if (kSin == Sin::dump_switched_off) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (kSin == Sin::rights_given_up) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (kSin == Sin::signal_stack_changed) change_signal_stack();
  if (kSin == Sin::end_of_exceptions_changed) std::set_terminate(end_well);
  if (kSin == Sin::end_of_memory_changed) std::set_new_handler(end_well);
  if (kSin == Sin::out_of_memory_score_changed) change_out_of_memory_score();
  if (kSin == Sin::prints) std::puts("done");
  if (kSin == Sin::thread_never_rests) std::thread(look_busy).detach();
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::compute(honest::open(call), thread);
  static std::atomic<bool> was_done{false};
  // The last one, which a check of the caller's own state misses; a handler of faults has a stack in the first alone.
  const bool is_last = thread->index + 1 == (kSin == Sin::signal_stack_changed ? 1 : thread->count);
  if (is_last && kSin == Sin::files_left_open) leave_files_open();
  if (is_last && kSin == Sin::memory_never_freed) leave_memory();
  if (is_last && (!was_done.exchange(true) || kSin == Sin::x87_registers_left)) change();
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)
