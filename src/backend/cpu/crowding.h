// How many threads of a team pay while other processes want its processors.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace assay {

/// All threads meet at each barrier, so one that waits for its turn on a processor holds up the others: beside one busy
/// process on 2 cores both run together a third of the time, and one thread alone does half of the work of two
/// (measured: 33 against 47 of 90 tokens a second). So where threads lose their processors, fewer are tried on the
/// program's next runs, and kept while those are faster; now and then one more is tried.
/// Times are those of the same program, run after run.
class Crowding {
 public:
  explicit Crowding(uint32_t most) : most_(most), threads_(most) {}

  /// Of the next run.
  uint32_t threads() const { return threads_; }
  /// What that run took, and how often a thread of this process had to leave a processor while it ran.
  void ran(int64_t ns, int64_t preemptions);

 private:
  static constexpr size_t kRuns = 4;      // that are compared
  static constexpr int64_t kCrowded = 2;  // of these, with preemptions
  static constexpr double kFaster = 0.95;
  static constexpr int64_t kFirstHoldNs = 300'000'000, kLongestHoldNs = 4'800'000'000;

  struct Runs {
    std::array<int64_t, kRuns> ns{}, preemptions{};
    size_t count = 0;
    void add(int64_t ns_of_one, int64_t preemptions_of_one);
    bool full() const { return count >= kRuns; }
    int64_t sum_ns() const;
    int64_t crowded() const;  // how many of the last kRuns
  };

  void begin_trial(uint32_t threads);
  void end_trial();

  const uint32_t most_;
  uint32_t threads_, kept_ = most_;  // of the next run; what is compared with while another number is tried
  uint32_t fewer_ = 1;               // of the next trial: a busy process more than that may be there
  Runs kept_runs_, trial_runs_;
  int64_t since_trial_ns_ = kLongestHoldNs, hold_ns_ = kFirstHoldNs;
};

/// How often threads of this process left a processor for another process, since it began.
int64_t preemptions_of_process();

}  // namespace assay
