// The worker's side of the protocol: commands in, replies out, whatever a case does.
#include "measure/worker.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "base/error.h"
#include "base/stages.h"
#include "measure/case_worker.h"

namespace assay {
namespace {

void send_reply(int socket, const Reply& reply, const LaunchTimes* times) {
  static std::byte packet[sizeof(Reply) + kMostSamples * sizeof(LaunchTimes)];
  std::memcpy(packet, &reply, sizeof reply);
  std::memcpy(packet + sizeof reply, times, size_t(reply.samples) * sizeof(LaunchTimes));
  if (send(socket, packet, sizeof reply + size_t(reply.samples) * sizeof(LaunchTimes), MSG_NOSIGNAL) < 0) _exit(1);
}

std::unique_ptr<OpenedArenas> open_device(const WorkerCase& work) {
  try {
    return std::make_unique<OpenedArenas>(work);
  } catch (const OverLimit&) {
    throw;
  } catch (const Error& e) {
    throw Unavailable(e.what());
  }
}

/// Whether a kernel forked and did not wait for what it forked. One that forked twice is a child too: a worker is a
/// subreaper.
bool has_children() {
  siginfo_t ignored;
  return waitid(P_ALL, 0, &ignored, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD;
}

}  // namespace

std::string_view mode_name(Mode mode) {
  constexpr std::string_view kNames[] = {"decode", "cold", "hot", "batched", "chained"};
  return kNames[size_t(mode)];
}

Mode parse_mode(const std::string& name) {
  for (const Mode mode : {Mode::decode, Mode::cold, Mode::hot, Mode::batched, Mode::chained})
    if (name == mode_name(mode)) return mode;
  fail("--mode {}: unknown; choose decode, cold, hot, batched or chained", name);
}

void serve_worker(const std::vector<const WorkerCase*>& cases, int socket) {
  static LaunchTimes times[kMostSamples];
  const pid_t self = getpid();
  bool had_children = false;
  std::unique_ptr<OpenedArenas> opened;
  std::vector<std::unique_ptr<CaseWorker>> workers(cases.size());
  Command command;
  while (recv(socket, &command, sizeof command, 0) == ssize_t(sizeof command) && command.step != Step::quit) {
    Reply reply;
    end_stage_now();
    stage_seconds() = {};
    std::unique_ptr<CaseWorker>& worker = workers[size_t(command.index)];
    try {
      if (command.step == Step::setup || (command.step == Step::special && !worker)) {
        const WorkerCase& work = *cases[size_t(command.index)];
        if (!opened) {
          const InStage stage(Stage::open);
          opened = open_device(work);
          had_children = has_children();  // a driver's
        }
        worker = std::make_unique<CaseWorker>(work, *opened);
        if (command.step == Step::setup)
          worker->setup(command, reply);
        else
          worker->try_other_special(reply);
      } else if (command.step == Step::special) {
        const InStage stage(Stage::winner_values);
        worker->try_other_special(reply);
      } else if (command.step == Step::sample) {
        worker->sample(command, reply, times);
      } else if (command.step == Step::sweep) {
        const InStage stage(Stage::winner_sweep);
        worker->sweep_numbers(command, reply);
      } else if (command.step == Step::late) {
        const InStage stage(Stage::winner_late);
        worker->launch_late(command, reply);
      } else {
        const InStage stage(Stage::settle);
        worker->settle(command, reply);
      }
    } catch (const Unsupported& e) {
      CaseWorker::set(reply, Outcome::unsupported, e.what());
    } catch (const NoRoom& e) {
      CaseWorker::set(reply, Outcome::device_limit, e.what());
      reply.retry = 1;
    } catch (const OverLimit& e) {
      CaseWorker::set(reply, Outcome::device_limit, e.what());
    } catch (const Unavailable& e) {
      CaseWorker::set(reply, Outcome::launch_failed, e.what());
      reply.retry = 1;
    } catch (const std::bad_alloc&) {
      CaseWorker::set(reply, Outcome::launch_failed, "no memory is left, or it takes more than a worker may");
      reply.retry = 1;
    } catch (const std::exception& e) {
      CaseWorker::set(reply, Outcome::launch_failed, e.what());
    }
    if (getpid() != self) _exit(0);  // a kernel forked, and this is the child that returned from it
    if (worker) worker->fill_in(reply);
    reply.has_children = !had_children && has_children();
    end_stage_now();
    reply.stages = stage_seconds();
    send_reply(socket, reply, times);
  }
  _exit(0);  // no destructor of a kernel's or a vendor's may run
}

}  // namespace assay
