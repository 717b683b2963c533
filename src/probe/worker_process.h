// A worker as its parent sees it: forked, stopped while others have their turn, watched, and read for how it ended.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "probe/worker.h"

namespace assay {

struct Answer {
  Reply reply;
  std::vector<LaunchTimes> times;
  double parent_us = 0;  // from command to answer by the parent's own clock
};

class WorkerProcess {
 public:
  /// Forks; the child serves these cases (of one backend) and dies with its parent. Error if there can be no further process.
  explicit WorkerProcess(const std::vector<const WorkerCase*>& cases);
  ~WorkerProcess();  // kills it if it still runs
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Lets it run, sends the command, waits for the answer, stops it again. A worker that ends or hangs answers with crashed
  /// or timed_out and what is known of its end. limit_s: the watchdog.
  Answer ask(const Command& command, double limit_s);
  /// Lets it run on, without a command.
  void resume();
  bool alive() const { return pid_ > 0; }

 private:
  Answer ended(bool timed_out, double limit_s);

  const Backend* backend_;
  pid_t pid_ = -1;
  int socket_ = -1;
};

/// Set by Ctrl-C (SIGINT) and SIGTERM while a CatchInterrupt lives; every wait in this file ends early then.
bool interrupted();
class CatchInterrupt {
 public:
  CatchInterrupt();
  ~CatchInterrupt();
};

}  // namespace assay
