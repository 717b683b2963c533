// A worker as its parent sees it: forked, stopped, watched, and read for how it ended.
#include "probe/worker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"

namespace assay {
namespace {

constexpr int kWaitMs = 100;

volatile sig_atomic_t interrupt_signal = 0;
void on_interrupt(int signal) { interrupt_signal = signal; }

struct sigaction previous_int, previous_term;

std::string signal_text(int signal) { return fmt::format("{} ({})", sigabbrev_np(signal), sigdescr_np(signal)); }

}  // namespace

bool interrupted() { return interrupt_signal != 0; }

CatchInterrupt::CatchInterrupt() {
  interrupt_signal = 0;
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // no SA_RESTART: waits must end
  sigaction(SIGINT, &action, &previous_int);
  sigaction(SIGTERM, &action, &previous_term);
}

CatchInterrupt::~CatchInterrupt() {
  sigaction(SIGINT, &previous_int, nullptr);
  sigaction(SIGTERM, &previous_term, nullptr);
}

WorkerProcess::WorkerProcess(const std::vector<const WorkerCase*>& cases) : backend_(cases.front()->backend) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) fail("cannot make a socket for a worker: {}", std::strerror(errno));
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) {
    close(ends[0]);
    close(ends[1]);
    fail("cannot fork a worker: {}", std::strerror(errno));
  }
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    signal(SIGINT, SIG_IGN);  // Ctrl-C is the parent's to handle
    signal(SIGTERM, SIG_DFL);
    setpgid(0, 0);
    const int null = open("/dev/null", O_RDWR);  // a kernel's or a vendor's chatter is no part of the report
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    serve_worker(cases, ends[1]);
  }
  close(ends[1]);
  socket_ = ends[0];
}

WorkerProcess::~WorkerProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (socket_ >= 0) close(socket_);
}

Answer WorkerProcess::ended(bool timed_out, double limit_s) {
  Answer answer;
  if (timed_out) kill(pid_, SIGKILL);
  int status = 0;
  // One that closed its socket may yet live: it gets a second to end by itself.
  for (const int64_t began = now_ns(); waitpid(pid_, &status, WNOHANG) == 0; poll(nullptr, 0, 1))
    if (now_ns() - began > 1'000'000'000) kill(pid_, SIGKILL);
  pid_ = -1;
  std::string detail;
  answer.reply.outcome = Outcome::crashed;
  if (timed_out) {
    answer.reply.outcome = Outcome::timed_out;
    detail = fmt::format("no answer within {:.3g} s: killed", limit_s);
  } else if (WIFSIGNALED(status)) {
    detail = "ended by " + signal_text(WTERMSIG(status));
  } else if (const std::string trap = backend_->trap_message(WEXITSTATUS(status)); !trap.empty()) {
    answer.reply.outcome = Outcome::wrong;
    detail = trap;
  } else if (const std::string fault = backend_->fault_message(WEXITSTATUS(status)); !fault.empty()) {
    detail = fault;
  } else {
    detail = fmt::format("its process ended with exit({})", WEXITSTATUS(status));
  }
  std::memcpy(answer.reply.detail, detail.data(), std::min(detail.size(), sizeof answer.reply.detail - 1));
  return answer;
}

void WorkerProcess::resume() {
  if (alive()) kill(pid_, SIGCONT);
}

Answer WorkerProcess::ask(const Command& command, double limit_s) {
  ASSAY_CHECK(alive());
  kill(pid_, SIGCONT);
  const int64_t began = now_ns();
  if (send(socket_, &command, sizeof command, MSG_NOSIGNAL) < 0) return ended(false, limit_s);

  static std::byte packet[sizeof(Reply) + kMostSamples * sizeof(LaunchTimes)];
  for (;;) {
    // In short waits: a signal that arrives between the look and the wait must not cost the whole limit.
    pollfd ready{socket_, POLLIN, 0};
    if (poll(&ready, 1, kWaitMs) > 0) break;
    if (interrupted() || double(now_ns() - began) > limit_s * 1e9) return ended(true, limit_s);
  }
  const ssize_t got = recv(socket_, packet, sizeof packet, 0);
  if (got < ssize_t(sizeof(Reply))) return ended(false, limit_s);
  Answer answer;
  answer.parent_us = double(now_ns() - began) * 1e-3;
  std::memcpy(&answer.reply, packet, sizeof(Reply));
  answer.reply.detail[sizeof answer.reply.detail - 1] = 0;
  const size_t samples = (size_t(got) - sizeof(Reply)) / sizeof(LaunchTimes);
  if (size_t(answer.reply.samples) != samples) return ended(true, limit_s);
  answer.times.resize(samples);
  if (samples > 0) std::memcpy(static_cast<void*>(answer.times.data()), packet + sizeof(Reply), samples * sizeof(LaunchTimes));
  kill(pid_, SIGSTOP);
  return answer;
}

}  // namespace assay
