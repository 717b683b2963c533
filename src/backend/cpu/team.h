// A pinned team of threads that runs one function on all of them, entered and left by spinning barriers.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../../../kernels/cpu/assay_kernel.h"

namespace assay {

/// How threads wait for work and for one another: as times want it, or so that the processors are left to others,
/// where nothing is timed.
enum class Waits { awake, asleep };

/// Thread 0 is the caller, pinned to the first CPU if that is wanted; else the others get CPUs where it does not run.
/// They spin for a while after work, then sleep until the next.
class Team {
 public:
  explicit Team(const std::vector<int>& cpus, bool pins_caller = true, Waits waits = Waits::awake);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  uint32_t size() const { return uint32_t(members_.size()); }

  using Work = void (*)(const assay_thread*, void*);
  /// Runs work(thread, argument) on every thread, or on the first `threads`; returns when all of them have returned.
  void run(Work work, void* argument) { run(work, argument, size()); }
  void run(Work work, void* argument, uint32_t threads);
  /// The same, untimed, where those threads whose bit of `late` is set (by their number modulo 64) enter late, and
  /// leave the first barriers late: who does not wait for them is found.
  void run_unevenly(Work work, void* argument, uint32_t threads, uint64_t late);
  /// Returns once every thread is awake and spinning, so that the next run does not time a wake-up.
  void wake();
  /// Whether a thread's floating-point control state differs from what it had at its start, "" or a message; puts it
  /// back.
  std::string changed_float_state();

 private:
  struct alignas(64) Member {
    assay_thread context{};
    std::thread thread;
    std::atomic<bool> float_state_changed{false};
    int delays = 0;  // that are left to it, in a run that is uneven
  };

  class Waiting;
  static void barrier(const assay_thread* thread);
  static void uneven_barrier(const assay_thread* thread);
  void delay(uint32_t index);
  void loop(uint32_t index, int cpu);

  std::vector<std::unique_ptr<Member>> members_;
  const Waits waits_;
  // What a waiting thread reads lies in one line, what it writes in others.
  // generation_: the number of a run, times kMostThreads, plus how many threads it is for. Those it is not for may see
  // it late or never.
  static constexpr uint32_t kMostThreads = 1 << 13;
  alignas(64) std::atomic<uint32_t> generation_{0};
  Work work_ = nullptr;
  void* argument_ = nullptr;
  alignas(64) std::atomic<uint32_t> done_{0};
  alignas(64) std::atomic<uint32_t> sleepers_{0};
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
  std::atomic<bool> stop_{false};
};

void pin_this_thread(int cpu);

/// The floating-point control state (rounding, flush to zero; not the sticky flags) of the calling thread, and setting
/// it.
uint64_t float_control();
void set_float_control(uint64_t state);

}  // namespace assay
