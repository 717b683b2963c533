// Cases that one worker process serves.
#include "measure/worker_group.h"

#include "base/error.h"
#include "base/stages.h"

namespace assay {

size_t WorkerGroup::add(const WorkerCase& work) {
  ASSAY_CHECK(!process_);
  cases_.push_back(&work);
  is_set_up_.push_back(false);
  return cases_.size() - 1;
}

void WorkerGroup::need_process() {
  if (process_ && process_->alive()) return;
  process_.reset();  // dead before the next is forked: a device may be open in one process only
  const InStage stage(Stage::start);
  process_ = std::make_unique<WorkerProcess>(cases_);
  is_set_up_.assign(cases_.size(), false);
}

Answer WorkerGroup::set_up(size_t index) {
  need_process();
  Command command;
  command.step = Step::setup;
  Answer answer = ask_process(index, command, setup_limit_s_);
  is_set_up_[index] = answer.reply.outcome == Outcome::pass;
  return answer;
}

Answer WorkerGroup::ask_process(size_t index, Command command, double limit_s) {
  command.index = int32_t(index);
  command.watch_all = watch_all_;
  Answer answer = process_->ask(command, limit_s);
  if (answer.reply.tainted) process_.reset();  // others' memory may have been written to: they begin anew
  return answer;
}

Answer WorkerGroup::ask(size_t index, Command command, double limit_s) {
  if (command.step == Step::setup) return set_up(index);
  if (command.step == Step::special) {
    need_process();
    Answer answer = ask_process(index, command, limit_s);
    is_set_up_[index] = answer.reply.outcome == Outcome::pass;  // for the step `settle`: no other may follow
    return answer;
  }
  for (;;) {
    if (!process_ || !process_->alive() || !is_set_up_[index])
      if (Answer answer = set_up(index); answer.reply.outcome != Outcome::pass) return answer;
    Answer answer = ask_process(index, command, limit_s);
    const bool by_another = answer.reply.tainted && answer.reply.outcome == Outcome::pass;
    if (!by_another || watch_all_) return answer;
    watch_all_ = true;  // whichever it was is found at the end of its own step when it does so again
  }
}

void WorkerGroup::resume() {
  if (process_) process_->resume();
}

void WorkerGroup::kill() {
  const InStage stage(Stage::end);
  if (process_) process_->kill();
}

}  // namespace assay
