// A worker as its parent sees it: forked, stopped, watched, and read for how it ended.
#include "measure/worker_process.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/process_tree.h"
#include "base/stages.h"
#include "measure/process_death.h"

namespace assay {
namespace {

constexpr double kPatienceS = 1;  // with one that closed its socket and may yet live
constexpr size_t kMostNamed = 4;

void set_detail(Reply& reply, const std::string& detail) {
  const size_t length = std::min(detail.size(), sizeof reply.detail - 1);
  std::memcpy(reply.detail, detail.data(), length);
  reply.detail[length] = 0;
}

}  // namespace

WorkerProcess::WorkerProcess(const std::vector<const WorkerCase*>& cases)
    : backend_(cases.front()->backend),
      memory_kills_(out_of_memory_kills()),
      process_([&](int socket) { serve_worker(cases, socket); }) {}

Answer WorkerProcess::ended(bool timed_out, double limit_s) {
  if (timed_out) process_.signal_group(SIGKILL);
  const ProcessEnd end = process_.end(kPatienceS);
  Answer answer;
  Reply& reply = answer.reply;
  reply.outcome = Outcome::crashed;
  std::string detail;
  if (timed_out) {
    reply.outcome = Outcome::timed_out;
    detail = fmt::format("no answer within {:.3g} s: killed", limit_s);
  } else if (WIFSIGNALED(end.status)) {
    const ProcessDeath death = describe_death(end, memory_kills_);
    detail = death.text;
    reply.retry = death.from_outside;
  } else if (const std::string trap = backend_->trap_message(WEXITSTATUS(end.status)); !trap.empty()) {
    reply.outcome = Outcome::wrong;
    detail = trap;
  } else if (const std::string fault = backend_->fault_message(WEXITSTATUS(end.status)); !fault.empty()) {
    detail = fault;
  } else {
    detail = fmt::format("its process ended with exit({})", WEXITSTATUS(end.status));
  }
  if (!end.nothing_left) detail += "; something that it started cannot be killed";
  set_detail(reply, detail);
  return answer;
}

/// Nothing if what came is no answer.
std::optional<Answer> WorkerProcess::receive() const {
  static std::byte packet[sizeof(Reply) + kMostSamples * sizeof(LaunchTimes)];
  const ssize_t got = recv(process_.socket(), packet, sizeof packet, MSG_DONTWAIT);
  if (got < ssize_t(sizeof(Reply))) return std::nullopt;
  Answer answer;
  std::memcpy(&answer.reply, packet, sizeof(Reply));
  answer.reply.detail[sizeof answer.reply.detail - 1] = 0;
  const size_t samples = (size_t(got) - sizeof(Reply)) / sizeof(LaunchTimes);
  if (size_t(answer.reply.samples) != samples) return std::nullopt;
  answer.times.resize(samples);
  if (samples > 0)
    std::memcpy(static_cast<void*>(answer.times.data()), packet + sizeof(Reply), samples * sizeof(LaunchTimes));
  return answer;
}

/// What a case has started and left running would take the processor from the others, and hold what it inherited.
void WorkerProcess::look_for_processes(Answer& answer, bool thorough) const {
  const std::vector<pid_t> left = process_.started(thorough || answer.reply.has_children);
  if (left.empty() && !answer.reply.has_children) return;
  std::string names = left.empty() ? "it has ended, and was never waited for" : "";
  for (size_t i = 0; i < left.size() && i < kMostNamed; ++i)
    names += fmt::format("{}{} ({})", i ? ", " : "", left[i], command_of(left[i]));
  if (left.size() > kMostNamed) names += fmt::format(" and {} more", left.size() - kMostNamed);
  answer.reply.tainted = 1;  // its process must go, and what it started with it
  if (answer.reply.outcome != Outcome::pass) return;
  answer.reply.outcome = Outcome::wrong;
  set_detail(answer.reply,
             fmt::format("left {} behind: {}",
                         left.size() <= 1 ? "a process" : fmt::format("{} processes", left.size()), names));
}

Answer WorkerProcess::ask(const Command& command, double limit_s) {
  ASSAY_CHECK(alive());
  process_.signal_group(SIGCONT);
  const InStage stage(Stage::handing_over);
  const int64_t began = now_ns();
  if (send(process_.socket(), &command, sizeof command, MSG_NOSIGNAL) < 0) return ended(false, limit_s);
  const Heard heard = process_.listen(limit_s, interrupted);
  if (heard != Heard::message) return ended(heard == Heard::nothing, limit_s);
  const double parent_us = double(now_ns() - began) * 1e-3;
  std::optional<Answer> answer = receive();
  if (!answer) return ended(false, limit_s);
  add_stages_of(answer->reply.stages);
  answer->parent_us = parent_us;
  process_.signal_group(SIGSTOP);
  look_for_processes(*answer, command.step != Step::sample);
  return std::move(*answer);
}

}  // namespace assay
