// Whether something in this process may yet act unasked.
#include "backend/cpu/process_rest.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "backend/cpu/disturbance.h"

namespace assay {
namespace {

/// What a thread is in: a system call's number and arguments, as /proc/self/task/ID/syscall has them.
struct SystemCall {
  bool runs = false;  // or may, when it gets a processor
  long number = -1;   // none, or not to be seen
  std::array<unsigned long, 6> arguments{};

  explicit SystemCall(int thread) {
    std::ifstream in(fmt::format("/proc/self/task/{}/syscall", thread));
    std::string word;
    if (!(in >> word)) return;
    runs = word == "running";
    if (runs) return;
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

Rest process_rest(const std::vector<int>& but) {
  const auto self = int(syscall(SYS_gettid));
  Rest rest = has_timers() ? Rest::restless : Rest::at_rest;
  for (const int thread : thread_ids()) {
    if (thread == self || std::find(but.begin(), but.end(), thread) != but.end()) continue;
    const SystemCall call(thread);
    if (call.runs || call.has_a_limit()) return Rest::restless;
    // Of those above that go on after a stop, and of those without a limit.
    if (call.number == SYS_restart_syscall && rest == Rest::at_rest) rest = Rest::perhaps;
  }
  return rest;
}

}  // namespace assay
