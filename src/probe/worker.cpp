// The worker's side of the protocol: commands in, replies out, whatever a case does.
#include "probe/worker.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "probe/case_worker.h"

namespace assay {
namespace {

void send_reply(int socket, const Reply& reply, const LaunchTimes* times) {
  static std::byte packet[sizeof(Reply) + kMostSamples * sizeof(LaunchTimes)];
  std::memcpy(packet, &reply, sizeof reply);
  std::memcpy(packet + sizeof reply, times, size_t(reply.samples) * sizeof(LaunchTimes));
  if (send(socket, packet, sizeof reply + size_t(reply.samples) * sizeof(LaunchTimes), MSG_NOSIGNAL) < 0) _exit(1);
}

}  // namespace

std::string_view mode_name(Mode mode) {
  constexpr std::string_view kNames[] = {"decode", "cold", "hot", "batched"};
  return kNames[size_t(mode)];
}

Mode parse_mode(const std::string& name) {
  for (const Mode mode : {Mode::decode, Mode::cold, Mode::hot, Mode::batched})
    if (name == mode_name(mode)) return mode;
  fail("--mode {}: unknown; choose decode, cold, hot or batched", name);
}

void serve_worker(const std::vector<const WorkerCase*>& cases, int socket) {
  static LaunchTimes times[kMostSamples];
  std::unique_ptr<OpenedArenas> opened;
  std::vector<std::unique_ptr<CaseWorker>> workers(cases.size());
  Command command;
  while (recv(socket, &command, sizeof command, 0) == ssize_t(sizeof command) && command.step != Step::quit) {
    Reply reply;
    std::unique_ptr<CaseWorker>& worker = workers[size_t(command.index)];
    try {
      if (command.step == Step::setup) {
        const WorkerCase& work = *cases[size_t(command.index)];
        if (!opened) opened = std::make_unique<OpenedArenas>(work);
        worker = std::make_unique<CaseWorker>(work, *opened);
        worker->setup(command, reply);
      } else if (command.step == Step::sample) {
        worker->sample(command, reply, times);
      } else {
        worker->settle(reply);
      }
    } catch (const Unsupported& e) {
      CaseWorker::set(reply, Outcome::unsupported, e.what());
    } catch (const OverLimit& e) {
      CaseWorker::set(reply, Outcome::device_limit, e.what());
    } catch (const std::exception& e) {
      CaseWorker::set(reply, Outcome::launch_failed, e.what());
    }
    if (worker) worker->fill_in(reply);
    send_reply(socket, reply, times);
  }
  _exit(0);  // no destructor of a kernel's or a vendor's may run
}

}  // namespace assay
