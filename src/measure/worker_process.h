// A worker as its parent sees it: forked, stopped while others have their turn, watched, and read for how it ended.
#pragma once
#include <signal.h>

#include <optional>
#include <string>
#include <vector>

#include "base/interruption.h"
#include "base/isolated_process.h"
#include "measure/worker.h"

namespace assay {

struct Answer {
  Reply reply;
  std::vector<LaunchTimes> times;
  double parent_us = 0;  // from command to answer by the parent's own clock
};

/// Every wait in this file ends early when interrupted().
class WorkerProcess {
 public:
  /// Forks; the child serves these cases (of one backend) and dies with its parent. Error if there can be no further
  /// process.
  explicit WorkerProcess(const std::vector<const WorkerCase*>& cases);

  /// Lets it run, sends the command, waits for the answer, stops it again. A worker that ends or hangs answers with
  /// crashed or timed_out and what is known of its end; one that has left a process running with wrong. limit_s: the
  /// watchdog.
  Answer ask(const Command& command, double limit_s);
  /// Lets it run on, without a command.
  void resume() const { process_.signal_group(SIGCONT); }
  /// Kills it; the destructor waits until it is gone. So several end at the same time.
  void kill() const { process_.signal_group(SIGKILL); }
  bool alive() const { return !process_.has_been_ended(); }

 private:
  std::optional<Answer> receive() const;
  Answer ended(bool timed_out, double limit_s);
  void look_for_processes(Answer& answer, bool thorough) const;

  const Backend* backend_;
  int64_t memory_kills_;  // of the system, when it began
  IsolatedProcess process_;
};

}  // namespace assay
