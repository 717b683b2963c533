// Running other programs to their end: fork, poll their output, reap.
#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/deferred_signals.h"
#include "base/error.h"
#include "base/interruption.h"
#include "base/isolated_process.h"

namespace assay {
namespace {

constexpr size_t kMostOutput = 1u << 20;
constexpr int kReapMs = 1;  // how often a program that closed its output is asked whether it has ended

[[noreturn]] void become(char* const* argv, const Environment& environment, int output, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, 0);
  dup2(output, 1);
  dup2(output, 2);
  close_all_but({0, 1, 2});  // whatever was left open without close-on-exec: also what assay itself was started with
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  execvp(argv[0], argv);
  dprintf(2, "%s: not found or not executable\n", argv[0]);
  _exit(127);
}

void set_status(ProcessResult& result, int status) {
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
}

int reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

int64_t after(int64_t now, double seconds) { return now + int64_t(std::clamp(seconds, 0.0, 1e8) * 1e9); }

}  // namespace

ProcessSet::~ProcessSet() {
  for (Child& child : children_) {
    kill(-child.pid, SIGKILL);
    remove_started_group(child.pid);  // before its number may be another's
    reap(child.pid);
    if (child.output >= 0) close(child.output);
  }
}

size_t ProcessSet::start(const std::vector<std::string>& argv, double limit_s, const Environment& environment) {
  ASSAY_CHECK(!argv.empty());
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    fail("cannot make a pipe to run {} ({}); raise the limit of open files (ulimit -n)", argv[0], std::strerror(errno));
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const DeferredSignals until_it_is_known;
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) become(arguments.data(), environment, ends[1], parent);
  if (pid < 0) {
    const int why = errno;
    close(ends[0]), close(ends[1]);
    fail("cannot start a process to run {} ({}); end other processes, or raise their limit (ulimit -u)", argv[0],
         std::strerror(why));
  }
  close(ends[1]);
  add_started_group(pid);
  setpgid(pid, pid);  // here too: a kill must reach its children even before it has run
  fcntl(ends[0], F_SETFL, O_NONBLOCK);

  Child child;
  child.ticket = next_ticket_++;
  child.pid = pid;
  child.output = ends[0];
  child.deadline_ns = after(now_ns(), limit_s);
  children_.push_back(std::move(child));
  return children_.back().ticket;
}

void ProcessSet::read_output(Child& child) {
  char buffer[16384];  // one read a poll: a program that never stops printing must still meet its limit
  const ssize_t got = read(child.output, buffer, sizeof buffer);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got > 0) {
    const size_t room = kMostOutput - std::min(kMostOutput, child.result.output.size());
    child.result.output.append(buffer, std::min(room, size_t(got)));
    return;
  }
  close(child.output);
  child.output = -1;
}

bool ProcessSet::ended(Child& child, int64_t now) {
  if (now >= child.deadline_ns) {
    child.result.timed_out = true;
    kill(-child.pid, SIGKILL);
    remove_started_group(child.pid);
    set_status(child.result, reap(child.pid));
    if (child.output >= 0) close(child.output);
    return true;
  }
  if (child.output >= 0) return false;
  siginfo_t seen{};
  if (waitid(P_PID, id_t(child.pid), &seen, WEXITED | WNOHANG | WNOWAIT) != 0 || seen.si_pid != child.pid) return false;
  remove_started_group(child.pid);
  set_status(child.result, reap(child.pid));
  return true;
}

int ProcessSet::poll_ms(int64_t now, int64_t until) const {
  for (const Child& child : children_) {
    if (child.output < 0) return kReapMs;
    until = std::min(until, child.deadline_ns);
  }
  return int(std::clamp<int64_t>((until - now + 999999) / 1000000, 0, 1000000));
}

std::optional<std::pair<size_t, ProcessResult>> ProcessSet::wait(double at_most_s) {
  const int64_t until = after(now_ns(), at_most_s);
  while (!children_.empty()) {
    int64_t now = now_ns();
    for (size_t i = 0; i < children_.size(); ++i) {
      if (!ended(children_[i], now)) continue;
      std::pair<size_t, ProcessResult> done(children_[i].ticket, std::move(children_[i].result));
      children_.erase(children_.begin() + std::ptrdiff_t(i));
      return done;
    }
    if (now >= until) break;
    std::vector<pollfd> outputs;
    for (const Child& child : children_) outputs.push_back({child.output, POLLIN, 0});  // poll ignores -1
    const int ready = poll(outputs.data(), outputs.size(), poll_ms(now, until));
    if (ready < 0 && errno == EINTR) break;
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].revents != 0) read_output(children_[i]);
  }
  return std::nullopt;
}

ProcessResult run_process(const std::vector<std::string>& argv, double limit_s) {
  ProcessSet set;
  set.start(argv, limit_s);
  for (;;)
    if (auto done = set.wait(limit_s)) return std::move(done->second);
}

}  // namespace assay
