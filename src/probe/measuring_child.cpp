// A measurement in a process of its own.
#include "probe/measuring_child.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "probe/worker_process.h"

namespace assay {
namespace {

[[noreturn]] void serve(int to, const std::function<std::string()>& work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGINT, SIG_IGN);
  std::string text;
  try {
    text = work();
  } catch (const std::exception& e) {
    text = std::string("error: ") + e.what();
  }
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(to, text.data() + sent, text.size() - sent);
    if (n <= 0) break;
    sent += size_t(n);
  }
  _exit(0);
}

}  // namespace

std::string text_of_child(const std::string& what, double limit_s, const std::function<std::string()>& work) {
  int ends[2];
  if (pipe(ends) != 0) fail("cannot make a pipe for {}", what);
  const pid_t child = fork();
  if (child < 0) fail("cannot fork a process for {}", what);
  if (child == 0) {
    close(ends[0]);
    serve(ends[1], work);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  bool ended = false;
  for (const int64_t began = now_ns(); !ended && !interrupted() && double(now_ns() - began) < limit_s * 1e9;) {
    pollfd ready{ends[0], POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) continue;
    const ssize_t got = read(ends[0], buffer, sizeof buffer);
    if (got > 0) text.append(buffer, size_t(got));
    ended = got == 0;
  }
  close(ends[0]);
  if (!ended) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended && interrupted()) fail("{} was interrupted", what);
  if (!ended) fail("{} took over {:.3g} s: stopped", what, limit_s);
  if (text.rfind("error: ", 0) == 0) fail("{} failed: {}", what, text.substr(7));
  if (text.empty()) fail("{} failed: its process ended with status {:#x}", what, status);
  return text;
}

}  // namespace assay
