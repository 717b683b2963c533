// Mutants that compute the right answer and leave a process behind. Each child ends by itself after a while, should
// nobody end it.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ctime>

#include "honest.h"

namespace {

enum class Sin {
  child_burns_cpu,
  orphan_in_own_session,
  child_keeps_descriptors,
  forks_and_both_return,
  ends_its_parent
};
constexpr Sin kSin = Sin::MUTANT;

constexpr int64_t kForkingCall = 2;  // in setup, or soon after
constexpr time_t kLivesS = 30;

[[noreturn]] void burn() {
  for (const time_t end = std::time(nullptr) + kLivesS; std::time(nullptr) < end;) {
  }
  _exit(0);
}

/// Out of the process group, the session and, its parent gone, the sight of who waits for children.
[[noreturn]] void go_far_away() {
  prctl(PR_SET_PDEATHSIG, 0);
  setsid();
  if (fork() != 0) _exit(0);
  setsid();
  burn();
}

/// Whatever is open stays open: a lock that is among it stays locked.
[[noreturn]] void keep_descriptors() {
  signal(SIGTERM, SIG_IGN);
  for (int descriptor = 0; descriptor < 64; ++descriptor) flock(descriptor, LOCK_SH);
  setpgid(0, 0);
  for (int i = 0; i < kLivesS; ++i) sleep(1);
  _exit(0);
}

void misbehave() {
  if constexpr (kSin == Sin::ends_its_parent) {
    if (fork() == 0) go_far_away();
    kill(getppid(), SIGKILL);  // whoever has to look after this process
    for (;;) pause();
  }
  if (fork() != 0) return;
  if constexpr (kSin == Sin::child_burns_cpu) burn();
  if constexpr (kSin == Sin::orphan_in_own_session) go_far_away();
  if constexpr (kSin == Sin::child_keeps_descriptors) keep_descriptors();
  // Else it goes on as if it were the worker.
}

int run(const assay_call* call, const assay_thread* thread) {
  honest::compute(honest::open(call), thread);
  if (thread->index == 0 && honest::next_ticket() == kForkingCall) misbehave();
  return ASSAY_OK;
}

}  // namespace

MUTANT_ENTRY(run, nullptr, nullptr, nullptr)
