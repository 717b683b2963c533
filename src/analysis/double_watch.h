// Finds what a trace tells twice: events, whole runs, and what two engines did at the same time.
#pragma once
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "analysis/buffer_pairing.h"
#include "trace/event.h"
#include "trace/odd_lines.h"

namespace assay {

/// Something that was seen `odd.times` times of `of`; too seldom to be named: 0 times.
struct OddShare {
  OddLines odd;
  uint64_t of = 0;
};

class DoubleWatch {
 public:
  /// An event with a duration. True if the same was told before, at the same time. GPU times are told again by engines
  /// themselves: such a one counts only if what stands before it was told again, too.
  bool timed(const Event& event, bool stamped, bool is_gpu_time);
  /// A wait for a command buffer.
  void wait(const Span& span, uint64_t line);
  void new_run();

  /// Events that came before with the same time stamp, names, and duration; where there are no stamps, right before.
  OddShare events() const;
  /// Waits that began before the one before had ended: one engine's thread waits for one buffer at a time.
  OddShare waits() const;
  /// Runs that equal an earlier one in every timed event.
  const OddLines& runs() const { return runs_; }

 private:
  static constexpr size_t kRecent = 8192;
  std::vector<uint64_t> recent_ = std::vector<uint64_t>(kRecent);  // hashes of events, each in the place that it names
  uint64_t previous_ = 0, run_ = 0, run_line_ = 0;
  int64_t last_stamp_ns_ = kNoTime;
  uint64_t with_last_stamp_ = 0;  // events in a row
  bool last_was_again_ = false;   // of what is no GPU time
  bool stamps_advance_ = false;
  uint64_t timed_events_ = 0, stamped_events_ = 0, all_waits_ = 0, run_events_ = 0;
  OddLines again_, crossing_, runs_;
  std::unordered_set<uint64_t> run_hashes_;
  int64_t latest_wait_ns_ = kNoTime;
};

}  // namespace assay
