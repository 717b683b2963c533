// Whether the processor was taken away from this process: run-queue delay of its threads, and steal by the hypervisor.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay {

class Disturbance {
 public:
  Disturbance() = default;
  ~Disturbance();
  Disturbance(const Disturbance&) = delete;
  Disturbance& operator=(const Disturbance&) = delete;

  /// Watches the threads that the process has now.
  void watch_threads();
  size_t threads_watched() const { return files_.size(); }
  /// Starts an interval / tells how many ns of it the threads waited for a CPU (steal is read at most every 5 ms: 10 ms
  /// steps).
  void begin();
  int64_t end_ns();

 private:
  int64_t run_delay_ns() const;

  std::vector<int> files_;  // /proc/self/task/*/schedstat
  int64_t delay_at_begin_ = 0;
  int64_t steal_read_at_ns_ = 0, steal_ns_ = 0;
};

/// Ids of the threads of this process, the main one first.
std::vector<int> thread_ids();

}  // namespace assay
