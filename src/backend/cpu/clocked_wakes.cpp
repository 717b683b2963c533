// Whether something in this process waits for a time to come.
#include "backend/cpu/clocked_wakes.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "backend/cpu/disturbance.h"

namespace assay {
namespace {

/// A system call that a thread is in: its number and its arguments, as /proc/self/task/ID/syscall has them.
struct SystemCall {
  long number = -1;  // running, or not to be seen
  std::array<unsigned long, 6> arguments{};

  explicit SystemCall(int thread) {
    std::ifstream in(fmt::format("/proc/self/task/{}/syscall", thread));
    std::string word;
    if (!(in >> word) || word == "running") return;
    number = std::strtol(word.c_str(), nullptr, 10);
    for (unsigned long& argument : arguments)
      if (in >> word) argument = std::strtoul(word.c_str(), nullptr, 16);
  }

  bool has_a_limit() const {
    const auto milliseconds = [&](size_t at) { return int(arguments[at]) > 0; };
    switch (number) {
#ifdef SYS_nanosleep
      case SYS_nanosleep:
#endif
      case SYS_clock_nanosleep:
      case SYS_restart_syscall:  // of those here that go on after a stop
        return true;
      case SYS_futex:
        return (arguments[1] & FUTEX_CMD_MASK) != FUTEX_WAKE && arguments[3] != 0;
#ifdef SYS_poll
      case SYS_poll:
        return milliseconds(2);
      case SYS_select:
        return arguments[4] != 0;
      case SYS_epoll_wait:
#endif
      case SYS_epoll_pwait:
        return milliseconds(3);
      case SYS_ppoll:
        return arguments[2] != 0;
      case SYS_pselect6:
        return arguments[4] != 0;
      case SYS_rt_sigtimedwait:
        return arguments[2] != 0;
      default:
        return false;
    }
  }
};

bool has_timers() {
  std::ifstream of_process("/proc/self/timers");
  if (of_process.peek() != std::ifstream::traits_type::eof()) return true;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd", ignored))
    if (std::filesystem::read_symlink(file.path(), ignored) == "anon_inode:[timerfd]") return true;
  return false;
}

}  // namespace

bool wakes_by_clock() {
  const auto self = int(syscall(SYS_gettid));
  for (const int thread : thread_ids())
    if (thread != self && SystemCall(thread).has_a_limit()) return true;
  return has_timers();
}

}  // namespace assay
