// What a process died of.
#include "measure/process_death.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstring>

#include "base/memory.h"

namespace assay {
namespace {

bool comes_from_outside(int signal) {
  for (const int each : {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU, SIGPWR})
    if (signal == each) return true;
  return false;
}

std::string out_of_memory(const ProcessEnd& end) {
  const MemoryRoom room = memory_room();
  std::string text =
      fmt::format("out of memory: the system killed it when it had {} MB; {}", end.peak_bytes >> 20, room.limit);
  if (const int64_t peak = control_group_peak(); peak > 0 && !room.is_machine)
    text += fmt::format(", {} MB were taken at most", peak >> 20);
  return text;
}

}  // namespace

ProcessDeath describe_death(const ProcessEnd& end, int64_t memory_kills_before) {
  if (!WIFSIGNALED(end.status))
    return {fmt::format("its process ended with exit({})", WEXITSTATUS(end.status)), false, false};
  const int signal = WTERMSIG(end.status);
  if (signal == SIGKILL && out_of_memory_kills() > memory_kills_before) return {out_of_memory(end), true, true};
  std::string text = fmt::format("ended by {} ({})", sigabbrev_np(signal), sigdescr_np(signal));
  if (!comes_from_outside(signal)) return {text, false, false};
  return {text + fmt::format(", which assay did not send; it had {} MB of memory", end.peak_bytes >> 20), false, true};
}

}  // namespace assay
