// Handlers, timers, limits and files of a process; priorities, masks and processors of its threads.
#include "backend/cpu/process_state.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string_view>

namespace assay {
namespace {

constexpr size_t kSpareFiles = 64;    // that a library may open for itself, …
constexpr size_t kFilesOfThread = 4;  // … and what counters and statistics take of a thread

mode_t creation_mask() {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}

std::string current_folder() {
  char* const path = ::getcwd(nullptr, 0);
  std::string text = path ? path : "";
  std::free(path);
  return text;
}

/// All but what libraries of kernels are told when they are loaded (CpuDevice::load).
std::vector<std::string> environment() {
  constexpr std::string_view kOfLibraries[] = {"OMP_", "GOMP_", "OPENBLAS_", "DNNL_", "ONEDNN_", "MKL_"};
  std::vector<std::string> all;
  for (char** entry = environ; entry && *entry; ++entry)
    if (std::none_of(std::begin(kOfLibraries), std::end(kOfLibraries),
                     [&](std::string_view of) { return std::string_view(*entry).starts_with(of); }))
      all.emplace_back(*entry);
  return all;
}

/// Whether all of it is there. More may be: what is set for a library before it is loaded.
bool is_in_environment(const std::vector<std::string>& all) {
  char** entry = environ;
  for (const std::string& one : all) {
    if (entry && *entry && one == *entry++) continue;
    for (entry = environ; entry && *entry && one != *entry;) ++entry;
    if (!entry || !*entry) return false;
    ++entry;
  }
  return true;
}

/// What is printed from now on goes to a file in memory, where it would else be lost. -1: it is not lost.
int catch_prints() {
  struct stat now {
  }, null{};
  if (fstat(STDOUT_FILENO, &now) != 0 || stat("/dev/null", &null) != 0 || now.st_rdev != null.st_rdev) return -1;
  std::fflush(stdout);  // to nowhere: what the process that forked this one had not yet written
  const int file = memfd_create("standard output", MFD_CLOEXEC);
  if (file >= 0) dup2(file, STDOUT_FILENO);
  return file;
}

size_t open_files() {
  size_t count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  if (!folder) return SIZE_MAX;  // none was left for this one
  while (readdir(folder)) ++count;
  closedir(folder);
  return count;
}

/// Its tag word: all ones where every register is free.
bool x87_has_room() {
#if defined(__x86_64__)
  struct {
    uint16_t control, unused0, status, unused1, tags, unused2;
    uint32_t rest[4];
  } environment;
  asm volatile("fnstenv %0\n\tfldenv %0" : "+m"(environment));
  return environment.tags == 0xffff;
#else
  return true;
#endif
}

/// Tried, and taken back.
bool can_pin(int cpu) {
  cpu_set_t before, one, after;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  if (sched_getaffinity(0, sizeof before, &before) != 0 || sched_setaffinity(0, sizeof one, &one) != 0) return false;
  const bool is_pinned = sched_getaffinity(0, sizeof after, &after) == 0 && CPU_EQUAL(&after, &one);
  sched_setaffinity(0, sizeof before, &before);
  return is_pinned;
}

bool same(const sigset_t& left, const sigset_t& right) {
  for (int i = 1; i < NSIG; ++i)
    if (sigismember(&left, i) != sigismember(&right, i)) return false;
  return true;
}

bool is_set(const itimerval& timer) { return timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0; }

}  // namespace

ProcessState::ThreadState ProcessState::ThreadState::of_this() {
  ThreadState state;
  state.policy = sched_getscheduler(0);
  state.priority = getpriority(PRIO_PROCESS, 0);
  state.timer_slack = prctl(PR_GET_TIMERSLACK);
  state.gains_no_rights = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  if (stack_t stack; sigaltstack(nullptr, &stack) == 0 && (stack.ss_flags & SS_DISABLE) == 0)
    state.signal_stack = stack.ss_sp;
  pthread_sigmask(SIG_BLOCK, nullptr, &state.blocked);
  CPU_ZERO(&state.cpus);
  sched_getaffinity(0, sizeof state.cpus, &state.cpus);
  state.x87_is_empty = x87_has_room();
  return state;
}

ProcessState::ProcessState(const std::vector<int>& cpus)
    : cpus_(cpus),
      can_pin_(can_pin(cpus.front())),
      thread_(ThreadState::of_this()),
      mask_(creation_mask()),
      folder_(current_folder()),
      locale_(setlocale(LC_ALL, nullptr)),
      environment_(environment()),
      prints_(catch_prints()),
      streams_{stream(0), stream(1), stream(2)},
      files_(open_files()) {
  for (int i = 1; i < kSignals; ++i) sigaction(i, nullptr, &handlers_[i]);
  for (const int which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF})
    getitimer(__itimer_which_t(which), &timers_[which]);
  for (int i = 0; i < RLIM_NLIMITS; ++i) getrlimit(__rlimit_resource_t(i), &limits_[i]);
}

ProcessState::Stream ProcessState::stream(int number) {
  struct stat of {};
  if (fstat(number, &of) != 0) return {};
  return {true, of.st_dev, of.st_rdev, of.st_ino};
}

std::string ProcessState::thread_changed(const ThreadState& now, size_t index, bool is_pinned) const {
  const auto left = [&](const char* what) { return fmt::format("left {} of thread {} changed", what, index); };
  if (now.policy != thread_.policy || now.priority != thread_.priority) return left("the scheduling or priority");
  if (now.timer_slack != thread_.timer_slack) return left("the timer slack");
  if (now.gains_no_rights != thread_.gains_no_rights) return left("PR_SET_NO_NEW_PRIVS");
  if (index == 0 && now.signal_stack != thread_.signal_stack) return left("the stack of signals (sigaltstack)");
  if (!same(now.blocked, thread_.blocked)) return left("the mask of signals");
  if (is_pinned && (CPU_COUNT(&now.cpus) != 1 || !CPU_ISSET(cpus_[index], &now.cpus))) return left("the processor");
  if (!now.x87_is_empty)
    return fmt::format("left registers of x87 of thread {} in use: MMX instructions without EMMS", index);
  return "";
}

std::string ProcessState::changed(Team* team) const {
  std::vector<ThreadState> threads(team ? team->size() : 1);
  const auto look = [](const assay_thread* thread, void* states) {
    (*static_cast<std::vector<ThreadState>*>(states))[thread ? thread->index : 0] = ThreadState::of_this();
  };
  if (team)
    team->run(look, &threads);
  else
    look(nullptr, &threads);
  for (size_t i = 0; i < threads.size(); ++i)
    if (std::string message = thread_changed(threads[i], i, /*is_pinned=*/can_pin_ && team); !message.empty())
      return message;
  for (int i = 1; i < kSignals; ++i) {
    struct sigaction now {};
    sigaction(i, nullptr, &now);
    if (now.sa_sigaction != handlers_[i].sa_sigaction || now.sa_flags != handlers_[i].sa_flags)
      return fmt::format("left the handler of signal {} ({}) changed", i, strsignal(i));
  }
  for (const int which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    itimerval now{};
    getitimer(__itimer_which_t(which), &now);
    if (is_set(now) != is_set(timers_[which])) return "left a timer running";
  }
  for (int i = 0; i < RLIM_NLIMITS; ++i) {
    rlimit now{};
    getrlimit(__rlimit_resource_t(i), &now);
    if (now.rlim_cur != limits_[i].rlim_cur || now.rlim_max != limits_[i].rlim_max)
      return fmt::format("left limit {} of its process (setrlimit) changed", i);
  }
  if (std::string message = marks_.changed(); !message.empty()) return message;
  if (creation_mask() != mask_) return "left the mode of new files (umask) changed";
  if (current_folder() != folder_) return "left the working folder changed";
  if (setlocale(LC_ALL, nullptr) != locale_) return "left the locale changed";
  if (!is_in_environment(environment_)) return "left a variable of the environment changed";
  for (int i = 0; i < 3; ++i)
    if (stream(i) != streams_[i]) return fmt::format("left standard stream {} closed or another one", i);
  if (prints_ >= 0 && (std::fflush(stdout), lseek(prints_, 0, SEEK_END)) > 0) return "printed to the standard output";
  if (const size_t files = open_files(); files > files_ + kSpareFiles + kFilesOfThread * cpus_.size())
    return files == SIZE_MAX ? "left no descriptor of a file free" : fmt::format("left {} files open", files - files_);
  return "";
}

}  // namespace assay
