// Reading the processor's counters.
#include "backend/cpu/hardware_counters.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "backend/cpu/disturbance.h"

namespace assay {
namespace fs = std::filesystem;
namespace {

int open_counter(uint32_t type, uint64_t config, int thread, int cpu) {
  perf_event_attr event{};
  event.size = sizeof event;
  event.type = type;
  event.config = config;
  event.exclude_kernel = event.exclude_hv = cpu < 0;  // a controller knows no rings
  return int(syscall(SYS_perf_event_open, &event, thread, cpu, -1, PERF_FLAG_FD_CLOEXEC));
}

double value_of(int descriptor) {
  uint64_t value = 0;
  if (descriptor < 0 || ::read(descriptor, &value, sizeof value) != ssize_t(sizeof value)) return NAN;
  return double(value);
}

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

/// "event=0x04,umask=0x03": the event in bits 0 to 7, the mask in bits 8 to 15, as controllers have them.
std::optional<uint64_t> config_of(const std::string& text) {
  uint64_t config = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size()), equals = text.find('=', at);
    if (equals >= end) return std::nullopt;
    const std::string name = text.substr(at, equals - at);
    char* rest = nullptr;
    const uint64_t value = std::strtoull(text.c_str() + equals + 1, &rest, 0);
    if (rest != text.c_str() + end || value > 0xff || (name != "event" && name != "umask")) return std::nullopt;
    config |= name == "event" ? value : value << 8;
    at = end + 1;
  }
  return config;
}

/// "0,18" and "0-3".
std::vector<int> cpus_of(const std::string& text) {
  std::vector<int> cpus;
  int first = 0, last = 0, taken = 0;
  for (const char* at = text.c_str(); std::sscanf(at, "%d%n", &first, &taken) == 1 && first >= 0;) {
    at += taken;
    last = first;
    if (std::sscanf(at, "-%d%n", &last, &taken) == 1) at += taken;
    for (int cpu = first; cpu <= last && cpus.size() < 4096; ++cpu) cpus.push_back(cpu);
    if (*at == ',') ++at;
  }
  return cpus;
}

}  // namespace

std::vector<MemoryEvent> find_memory_events(const fs::path& devices) {
  std::vector<MemoryEvent> events;
  std::error_code error;
  for (const fs::directory_entry& device : fs::directory_iterator(devices, error)) {
    if (!device.path().filename().string().starts_with("uncore_imc")) continue;
    for (const char* name : {"cas_count_read", "data_reads"}) {
      const std::string event = (device.path() / "events" / name).string();
      const std::optional<uint64_t> config = config_of(first_line(event));
      const std::string type = first_line(device.path() / "type");
      const double scale = std::strtod(first_line(event + ".scale").c_str(), nullptr);
      const std::vector<int> cpus = cpus_of(first_line(device.path() / "cpumask"));
      if (!config || *config == 0 || type.empty() || !(scale > 0) || cpus.empty()) continue;
      if (first_line(event + ".unit") != "MiB") continue;
      events.push_back({uint32_t(std::strtoul(type.c_str(), nullptr, 10)), *config, cpus, scale * 1024 * 1024});
    }
  }
  return events;
}

HardwareCounters::~HardwareCounters() {
  close_threads();
  for (const Controller& controller : controllers_) close(controller.descriptor);
}

void HardwareCounters::close_threads() {
  for (const Thread& thread : threads_)
    for (const int descriptor : {thread.instructions, thread.cycles})
      if (descriptor >= 0) close(descriptor);
  threads_.clear();
}

/// Pools may have made new ones: all begin anew then, so that no difference is of two sets of threads. Who reads twice
/// with a launch between them has the same threads unless that launch made some.
void HardwareCounters::watch_threads() {
  const std::vector<int> ids = thread_ids();
  bool is_same = ids.size() == threads_.size();
  for (size_t i = 0; is_same && i < ids.size(); ++i) is_same = ids[i] == threads_[i].id;
  if (is_same) return;
  close_threads();
  for (const int id : ids)
    threads_.push_back({id, open_counter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, id, -1),
                        open_counter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, id, -1)});
}

Counts HardwareCounters::read() {
  if (!is_open_) {
    is_open_ = true;
    for (const MemoryEvent& event : find_memory_events("/sys/bus/event_source/devices"))
      for (const int cpu : event.cpus)
        if (const int descriptor = open_counter(event.type, event.config, -1, cpu); descriptor >= 0)
          controllers_.push_back({descriptor, event.bytes});
  }
  watch_threads();
  Counts counts{controllers_.empty() ? NAN : 0, 0, 0};
  for (const Controller& controller : controllers_)
    counts.dram_bytes += controller.bytes * value_of(controller.descriptor);
  for (const Thread& thread : threads_) {
    counts.instructions += value_of(thread.instructions);
    counts.cycles += value_of(thread.cycles);
  }
  return counts;
}

std::string HardwareCounters::missing() {
  const int descriptor = open_counter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 0, -1);
  const int why = errno;
  if (descriptor >= 0) {
    close(descriptor);
    return "";
  }
  if (why == EACCES || why == EPERM)
    return fmt::format("perf_event_open: {}; set /proc/sys/kernel/perf_event_paranoid to 2 or less", strerror(why));
  if (why == ENOENT || why == EOPNOTSUPP || why == ENODEV)
    return "this machine shows no counters of the processor (a virtual machine hides them)";
  return fmt::format("perf_event_open: {}", strerror(why));
}

}  // namespace assay
