// Counters of the processor, through perf_event_open: instructions and cycles of this process's threads, and what
// memory controllers read for whoever runs.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "backend/measured_device.h"

namespace assay {

/// An event of a memory controller, and which processors tell of one controller each.
struct MemoryEvent {
  uint32_t type = 0;
  uint64_t config = 0;
  std::vector<int> cpus;
  double bytes = 0;  // of one count
};

/// The read events of the controllers below such a folder (/sys/bus/event_source/devices); none where it has none that
/// say in which unit they count.
std::vector<MemoryEvent> find_memory_events(const std::filesystem::path& devices);

class HardwareCounters {
 public:
  HardwareCounters() = default;
  ~HardwareCounters();
  HardwareCounters(const HardwareCounters&) = delete;
  HardwareCounters& operator=(const HardwareCounters&) = delete;

  /// So far, of the threads that there are now; the first call begins.
  Counts read();
  /// Why nothing can be counted here: one line; "" if something can.
  static std::string missing();

 private:
  struct Thread {
    int id, instructions, cycles;  // descriptors; −1: refused
  };
  struct Controller {
    int descriptor;
    double bytes;
  };

  void watch_threads();
  void close_threads();

  std::vector<Thread> threads_;
  std::vector<Controller> controllers_;
  bool is_open_ = false;
};

}  // namespace assay
