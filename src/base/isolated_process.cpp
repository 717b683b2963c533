// Forking a process below a keeper, and the keeper's own work.
#include "base/isolated_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/process_tree.h"

namespace assay {
namespace {

constexpr double kKillLimitS =
    5;  // what lives on after this sits in the kernel: a driver or a disk that does not answer
constexpr int kKeeperLimitMs = 12'000;  // … and the keeper says so

/// Children of this process that are not strays.
struct Known {
  pid_t owner = 0;  // a forked process begins anew
  std::set<pid_t>
      earlier;  // those that it had before it started any keeper: whoever executed it may have left them to it
  std::set<pid_t> keepers;
};

Known& known_children() {
  static Known known;
  if (known.owner == getpid()) return known;
  const std::vector<pid_t> children = children_of(getpid());
  known = {getpid(), {children.begin(), children.end()}, {}};
  return known;
}

/// What the keeper tells: first what it forked, then how that ended.
struct Started {
  pid_t pid = -1;  // or -1
  int error = 0;
};

void close_range_or_all(unsigned first, unsigned last) {
  if (first > last || close_range(first, last, 0) == 0) return;
  for (unsigned fd = first; fd <= std::min(last, unsigned(sysconf(_SC_OPEN_MAX))); ++fd) close(int(fd));
}

void use_null_streams() {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {0, 1, 2}) dup2(null, stream);
}

void set_signals(std::initializer_list<int> signals, void (*handler)(int)) {
  for (const int each : signals) signal(each, handler);
}

/// Where memory runs out these go first, not who measures or what else runs here.
void offer_itself_when_memory_runs_out() {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  static_cast<void>(!write(file, "1000", 4));
  close(file);
}

[[noreturn]] void be_the_process(const std::function<void(int)>& body, int socket, pid_t keeper) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != keeper) _exit(0);
  setsid();
  prctl(PR_SET_NAME, "assay-worker");
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // what forks twice stays its own as long as it lives
  close_all_but({0, 1, 2, socket});
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  set_signals({SIGTERM, SIGHUP, SIGCHLD}, SIG_DFL);
  set_signals({SIGINT, SIGPIPE}, SIG_IGN);  // Ctrl-C is the parent's to handle
  offer_itself_when_memory_runs_out();
  body(socket);
  _exit(0);
}

/// The process, if it has ended, which stays a zombie: nobody else gets its pid while the parent may still signal it.
std::optional<ProcessEnd> ended(pid_t pid) {
  siginfo_t info{};
  rusage used{};
  if (syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, &used) != 0 || info.si_pid != pid)
    return std::nullopt;
  ProcessEnd end;
  end.status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status;
  end.peak_bytes = int64_t(used.ru_maxrss) << 10;
  return end;
}

ProcessEnd end_all(pid_t pid) {
  std::optional<ProcessEnd> end;
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);
  for (const int64_t began = now_ns(); !(end = ended(pid)) && double(now_ns() - began) < kKillLimitS * 1e9;)
    poll(nullptr, 0, 1);
  ProcessEnd result = end.value_or(ProcessEnd{SIGKILL, 0, false});
  result.nothing_left &= end_descendants(pid, kKillLimitS);
  return result;
}

/// Until the process ends, or nobody is there any more who could want it.
[[noreturn]] void keep(const std::function<void(int)>& body, int socket, int control) {
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, "assay-keeper");
  use_null_streams();
  close_all_but({0, 1, 2, socket, control});
  set_signals({SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP}, SIG_IGN);
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  const int child_ended = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  const pid_t self = getpid(), pid = fork();
  if (pid == 0) be_the_process(body, socket, self);
  close(socket);
  const Started started{pid, errno};
  if (send(control, &started, sizeof started, MSG_NOSIGNAL) < 0 && pid < 0) _exit(1);
  if (pid < 0) _exit(1);

  for (;;) {
    pollfd events[2] = {{control, POLLIN, 0}, {child_ended, POLLIN, 0}};
    poll(events, 2, -1);
    if (events[0].revents != 0 || ended(pid)) break;
    signalfd_siginfo seen;
    while (read(child_ended, &seen, sizeof seen) > 0) {
    }
  }
  std::optional<ProcessEnd> by_itself = ended(pid);
  ProcessEnd end = end_all(pid);
  if (by_itself) end.status = by_itself->status;
  send(control, &end, sizeof end, MSG_NOSIGNAL);
  char byte;
  while (recv(control, &byte, 1, 0) > 0 || errno == EINTR) {
  }
  waitpid(pid, nullptr, WNOHANG);
  _exit(0);
}

template <typename Message>
bool receive(int socket, Message& message) {
  ssize_t got = -1;
  do got = recv(socket, &message, sizeof message, 0);
  while (got < 0 && errno == EINTR);
  return got == ssize_t(sizeof message);
}

/// Not where standard streams belong, which a program may have been started without.
void make_sockets(int (&ends)[2]) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    fail("cannot make a socket for a process: {}", std::strerror(errno));
  for (int& end : ends)
    if (end <= 2) {
      const int low = std::exchange(end, fcntl(end, F_DUPFD_CLOEXEC, 3));
      close(low);
    }
}

bool is_ready(int descriptor, int64_t deadline_ns) {
  for (;;) {
    const int64_t left_ns = std::max(deadline_ns - now_ns(), int64_t(0));
    pollfd event{descriptor, POLLIN, 0};
    const int ready = poll(&event, 1, int((left_ns + 999'999) / 1'000'000));
    if (ready > 0 || (ready == 0 && left_ns == 0)) return ready > 0;
  }
}

/// Where a keeper was killed this process inherits what was below it, being a subreaper itself.
bool end_strays() {
  const Known& known = known_children();
  for (const int64_t began = now_ns(); double(now_ns() - began) < kKillLimitS * 1e9; poll(nullptr, 0, 1)) {
    bool any = false;
    for (const pid_t child : children_of(getpid())) {
      // Isolated processes and what they start are never of this session; whatever else became a child of this process
      // is.
      if (known.keepers.count(child) || known.earlier.count(child) || getsid(child) == getsid(0)) continue;
      if (waitpid(child, nullptr, WNOHANG | __WALL) == child) continue;
      any = true;
      for (const pid_t below : descendants_of(child)) kill(below, SIGKILL);
      kill(child, SIGKILL);
    }
    if (!any) return true;
  }
  return false;
}

}  // namespace

void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned next = 0;
  for (const int descriptor : kept) {
    if (descriptor > 0 && unsigned(descriptor) > next) close_range_or_all(next, unsigned(descriptor) - 1);
    next = unsigned(descriptor) + 1;
  }
  close_range_or_all(next, UINT_MAX);
}

/// In short looks: a signal that arrives between a look and the wait must not cost the whole limit.
Heard IsolatedProcess::listen(double limit_s, bool (*gives_up)()) const {
  constexpr int kLookMs = 100;
  constexpr int64_t kMostOfLookNs = int64_t(2) * kLookMs * 1'000'000;
  int64_t waited_ns = 0;
  for (int64_t last = now_ns();;) {
    pollfd events[2] = {{socket(), POLLIN, 0}, {ending(), POLLIN, 0}};
    if (poll(events, 2, kLookMs) > 0) {
      char first;  // a closed socket is readable, too
      return recv(socket(), &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0 ? Heard::message : Heard::end;
    }
    const int64_t now = now_ns();
    waited_ns += std::min(now - last, kMostOfLookNs);
    last = now;
    if (gives_up() || double(waited_ns) > limit_s * 1e9) return Heard::nothing;
  }
}

IsolatedProcess::IsolatedProcess(const std::function<void(int socket)>& body) {
  int sockets[2], controls[2];
  make_sockets(sockets);
  make_sockets(controls);
  known_children();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  keeper_ = fork();
  const int why = errno;
  if (keeper_ == 0) keep(body, sockets[1], controls[1]);
  close(sockets[1]);
  close(controls[1]);
  socket_ = sockets[0];
  control_ = controls[0];
  Started started;
  const bool answered = keeper_ > 0 && receive(control_, started);
  if (answered && started.pid > 0) {
    pid_ = started.pid;
    known_children().keepers.insert(keeper_);
    return;
  }
  int status = 0;
  if (keeper_ > 0) waitpid(keeper_, &status, 0);
  close(socket_);
  close(control_);
  if (keeper_ > 0 && !answered)
    fail("cannot start a worker: the process that was to keep it ended first, with {} {}",
         WIFSIGNALED(status) ? "signal" : "exit code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  fail("cannot fork a worker: {}", std::strerror(keeper_ < 0 ? why : started.error));
}

IsolatedProcess::~IsolatedProcess() { end(0); }

/// It may be so young that it has no group of its own yet.
void IsolatedProcess::signal_group(int signal) const {
  if (keeper_ > 0 && kill(-pid_, signal) != 0) kill(pid_, signal);
}

std::vector<pid_t> IsolatedProcess::started(bool thorough) const {
  if (keeper_ < 0 || (!thorough && children_of(keeper_).size() <= 1)) return {};
  std::vector<pid_t> living = descendants_of(keeper_);
  std::erase(living, pid_);
  return living;
}

ProcessEnd IsolatedProcess::end(double patience_s) {
  if (keeper_ < 0) return {};
  if (!is_ready(control_, now_ns() + int64_t(patience_s * 1e9))) signal_group(SIGKILL);
  ProcessEnd end{SIGKILL, 0, false};
  const bool answered = is_ready(control_, now_ns() + int64_t(kKeeperLimitMs) * 1'000'000) && receive(control_, end);
  if (!answered) {  // the keeper was killed, and with it the process; or it hangs
    signal_group(SIGKILL);
    kill(keeper_, SIGKILL);
  }
  known_children().keepers.erase(keeper_);
  close(control_);
  close(socket_);
  while (waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) {
  }
  keeper_ = control_ = socket_ = -1;
  if (!answered) end.nothing_left = end_strays();
  return end;
}

}  // namespace assay
