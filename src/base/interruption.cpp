// The handler of SIGINT, SIGTERM and SIGHUP. It may run between any two instructions: it calls only what a handler may.
#include "base/interruption.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace assay {
namespace fs = std::filesystem;
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
constexpr int kMostGroups = 4096, kMostPaths = 32, kDeepest = 16, kTries = 200;

volatile sig_atomic_t interrupt_signal = 0;
std::atomic<int> caught = 0;  // a bit a signal
pid_t owner = 0;              // whose signals they are: a forked process has other ends
bool has_terminal = false;

std::atomic<pid_t> groups[kMostGroups];
struct Path {
  std::atomic<bool> is_taken = false, is_there = false;
  char name[PATH_MAX] = {};
};
Path paths[kMostPaths];
static_assert(std::atomic<pid_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

constexpr int bit(int signal) { return 1 << signal; }

/// With all in it, links not followed.
void take_away(int folder, const char* name, int depth = 0) {  // NOLINT(misc-no-recursion)
  if (unlinkat(folder, name, 0) == 0 || errno == ENOENT || depth == kDeepest) return;
  const int inside = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inside < 0) return;
  // A process that is being killed may make a last file; some file systems skip names where others are taken away.
  for (int i = 0; i < kTries && unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT; ++i) {
    if (i > 0) poll(nullptr, 0, 1);
    lseek(inside, 0, SEEK_SET);
    alignas(dirent64) char entries[4096];
    for (long got; (got = syscall(SYS_getdents64, inside, entries, sizeof entries)) > 0;)
      for (long at = 0; at < got;) {
        const auto* entry = reinterpret_cast<const dirent64*>(entries + at);
        at += entry->d_reclen;
        if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
          take_away(inside, entry->d_name, depth + 1);
      }
  }
  close(inside);
}

void end_groups() {
  for (const auto& group : groups)
    if (const pid_t id = group; id > 0) kill(-id, SIGKILL);
  for (const auto& group : groups)
    if (const pid_t id = group; id > 0)
      for (int i = 0; i < kTries && waitpid(id, nullptr, WNOHANG) == 0; ++i) poll(nullptr, 0, 1);
}

[[noreturn]] void end_at_once() {
  end_groups();
  for (const Path& path : paths)
    if (path.is_there) take_away(AT_FDCWD, path.name);
  // Where somebody reads along a line may have been begun.
  const std::string_view said = has_terminal ? "\nassay: interrupted\n" : "assay: interrupted\n";
  pollfd room{STDERR_FILENO, POLLOUT, 0};  // a pipe that nobody empties must not hold us
  if (poll(&room, 1, 0) > 0 && (room.revents & POLLOUT))
    static_cast<void>(!write(STDERR_FILENO, said.data(), said.size()));
  _exit(kInterruptedExit);
}

void on_signal(int signal) {
  const int error = errno;
  const bool is_own = getpid() == owner;
  if (is_own && gettid() != owner) {
    syscall(SYS_tgkill, owner, owner, signal);  // it may have deferred them, or wait for something
  } else if (is_own) {
    if ((caught & bit(signal)) == 0) end_at_once();
    interrupt_signal = signal;
  }
  errno = error;
}

}  // namespace

void end_when_interrupted() {
  owner = getpid();
  has_terminal = isatty(STDERR_FILENO) == 1;
  struct sigaction action {};
  action.sa_handler = on_signal;  // no SA_RESTART: waits must end
  for (const int signal : kSignals) sigaddset(&action.sa_mask, signal);
  for (const int signal : kSignals) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    // Who is to outlive a terminal (nohup) does.
    if (signal != SIGHUP || before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
}

bool interrupted() { return interrupt_signal != 0; }

CatchInterrupt::CatchInterrupt() : CatchInterrupt({SIGINT, SIGTERM, SIGHUP}) {}

CatchInterrupt::CatchInterrupt(std::initializer_list<int> signals) : before_(caught) {
  interrupt_signal = 0;
  for (const int signal : signals) caught |= bit(signal);
}

CatchInterrupt::~CatchInterrupt() { caught = before_; }

HalfMade::HalfMade(const fs::path& path) : place_(-1) {
  std::error_code error;
  const std::string name = fs::absolute(path, error).string();
  if (error || name.size() >= sizeof paths[0].name) return;
  for (int i = 0; i < kMostPaths && place_ < 0; ++i)
    if (!paths[i].is_taken.exchange(true)) place_ = i;
  if (place_ < 0) return;
  std::memcpy(paths[place_].name, name.c_str(), name.size() + 1);
  paths[place_].is_there = true;
}

HalfMade::~HalfMade() {
  if (place_ < 0) return;
  paths[place_].is_there = false;
  paths[place_].is_taken = false;
}

void add_started_group(pid_t group) {
  for (auto& place : groups)
    if (pid_t none = 0; place.compare_exchange_strong(none, group)) return;
}

void remove_started_group(pid_t group) {
  for (auto& place : groups)
    if (pid_t wanted = group; place.compare_exchange_strong(wanted, 0)) return;
}

}  // namespace assay
