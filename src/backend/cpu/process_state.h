// What of a process and its threads belongs to whoever runs in it, and no kernel may leave changed.
#pragma once
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <string>
#include <vector>

#include "backend/cpu/process_marks.h"
#include "backend/cpu/team.h"

namespace assay {

/// As it was when this was made: before a module was loaded, as its constructors run then.
class ProcessState {
 public:
  explicit ProcessState(const std::vector<int>& cpus);
  /// "" or the first thing that is another one now: "left the handler of signal 11 changed". team: whose threads are
  /// looked at as well; null if there is none.
  std::string changed(Team* team) const;

 private:
  static constexpr int kSignals = 65;  // numbered from 1 on
  /// Of the calling thread.
  struct ThreadState {
    int policy = 0, priority = 0;
    sigset_t blocked{};
    cpu_set_t cpus{};
    int timer_slack = 0, gains_no_rights = 0;
    void* signal_stack = nullptr;  // of its own, which a handler of faults runs on
    bool x87_is_empty = true;      // else the next ones to use it find no room
    static ThreadState of_this();
  };
  /// Of the standard streams.
  struct Stream {
    bool is_open = false;
    dev_t device = 0, special = 0;
    ino_t file = 0;
    bool operator==(const Stream&) const = default;
  };
  static Stream stream(int number);
  std::string thread_changed(const ThreadState& now, size_t index, bool is_pinned) const;

  const std::vector<int> cpus_;
  const bool can_pin_;  // refused in some sandboxes
  const ThreadState thread_;
  struct sigaction handlers_[kSignals] {};
  itimerval timers_[3]{};
  rlimit limits_[RLIM_NLIMITS]{};
  const mode_t mask_;
  const std::string folder_, locale_;
  const std::vector<std::string> environment_;
  const int prints_;  // a file in memory that standard output is while that leads nowhere; -1: it leads somewhere
  const Stream streams_[3];
  const size_t files_;
  const ProcessMarks marks_;
};

}  // namespace assay
