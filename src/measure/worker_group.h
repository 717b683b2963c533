// Cases that one worker process serves: set up when first asked for, and again in a new process when the old one has
// ended.
#pragma once
#include <memory>
#include <vector>

#include "measure/worker_process.h"

namespace assay {

class WorkerGroup {
 public:
  explicit WorkerGroup(double setup_limit_s) : setup_limit_s_(setup_limit_s) {}
  /// The case's index in the group. All are added before the first ask(), and live as long as the group.
  size_t add(const WorkerCase& work);

  /// As WorkerProcess::ask; a case that the process does not have yet is set up before; not for the step `special`,
  /// which is then all that it does there.
  Answer ask(size_t index, Command command, double limit_s);
  /// Lets it run on, without a command.
  void resume();
  /// Ends it, without waiting until it is gone.
  void kill();

 private:
  Answer set_up(size_t index);
  void need_process();
  Answer ask_process(size_t index, Command command, double limit_s);

  double setup_limit_s_;
  std::vector<const WorkerCase*> cases_;
  std::vector<bool> is_set_up_;
  std::unique_ptr<WorkerProcess> process_;
  bool watch_all_ = false;  // after some case was seen to write into another's prepared weights
};

}  // namespace assay
