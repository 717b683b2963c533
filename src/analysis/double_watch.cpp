// An event is known by a hash of all that it says; 8,192 places hold the recent ones, so that a copy a few tokens later
// is found.
#include "analysis/double_watch.h"

namespace assay {
namespace {

constexpr uint64_t kFewest = 8;        // doubles that are worth a word
constexpr uint64_t kFewestInRun = 16;  // events of a run that can be told from another
constexpr size_t kMostRuns = 4096;
constexpr uint64_t kMostAtOnce = 12;  // with one time stamp: beyond it stamps tell nothing apart
constexpr int64_t kSlackNs = 2000;    // durations are cut to whole µs

uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

OddShare named_from(const OddLines& odd, uint64_t of, uint64_t least_share) {
  const bool is_named = odd.times >= kFewest && odd.times * least_share >= of;
  return {is_named ? odd : OddLines{}, of};
}

}  // namespace

bool DoubleWatch::timed(const Event& event, bool stamped, bool is_gpu_time) {
  uint64_t hash = mixed(event.duration_bits, uint64_t(event.op_name) << 32 | event.matmul);
  hash = mixed(hash, uint64_t(event.parent_op_name) << 32 | event.internal_kernel_name);
  hash = mixed(hash, stamped ? static_cast<uint64_t>(event.timestamp_ns) : 0) | 1;
  ++timed_events_;
  stamped_events_ += stamped;
  stamps_advance_ = stamps_advance_ || (last_stamp_ns_ != kNoTime && event.timestamp_ns != last_stamp_ns_);
  with_last_stamp_ = stamped && event.timestamp_ns == last_stamp_ns_ ? with_last_stamp_ + 1 : 1;
  last_stamp_ns_ = event.timestamp_ns;
  uint64_t& place = recent_[(hash >> 32) % kRecent];
  bool same = stamped ? place == hash && with_last_stamp_ <= kMostAtOnce : previous_ == hash;
  if (!is_gpu_time) last_was_again_ = same;
  same = same && last_was_again_;
  if (same) again_.add(event.line);
  previous_ = same ? 0 : hash;  // of three equal ones the third is one again
  place = hash;
  if (run_events_++ == 0) run_line_ = event.line;
  run_ = mixed(run_, hash);
  return same && stamped && stamps_advance_ && event.timestamp_ns % 1'000'000 != 0;
}

void DoubleWatch::wait(const Span& span, uint64_t line) {
  if (span.end_ns == kNoTime) return;
  ++all_waits_;
  if (latest_wait_ns_ != kNoTime && span.begin_ns() < latest_wait_ns_ - kSlackNs) crossing_.add(line);
  latest_wait_ns_ = std::max(latest_wait_ns_, span.end_ns);
}

void DoubleWatch::new_run() {
  if (run_events_ >= kFewestInRun && run_hashes_.size() < kMostRuns && !run_hashes_.insert(run_).second)
    runs_.add(run_line_);
  run_ = run_events_ = 0;
  latest_wait_ns_ = kNoTime;
}

OddShare DoubleWatch::events() const {
  const bool by_stamp = stamped_events_ * 2 > timed_events_;
  return named_from(again_, timed_events_, by_stamp ? 20 : 3);
}

OddShare DoubleWatch::waits() const { return named_from(crossing_, all_waits_, 4); }

}  // namespace assay
