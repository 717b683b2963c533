// What is odd in a trace: each kind with its count and the first line (from 0) that shows it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analysis/classic.h"
#include "analysis/double_watch.h"
#include "analysis/token_ledger.h"
#include "trace/event.h"

namespace assay {

/// A GPU time that no buffer explains; more than once: the same buffer, reported again and again.
struct UnpairedGpuTime {
  std::string scope;
  int64_t us = 0;
  uint64_t times = 0, first_line = 0;
};

/// A total whose time lies within another total's. Numbers within names are written N.
struct NestedTotal {
  std::string inner, outer;
  uint64_t times = 0;
  Int128 us = 0;
};

struct Placeholder {
  std::string name;  // of an op or a CPU kernel, numbers written N
  Int128 us = 0;
  uint64_t times = 0, of = 0;  // so many of the name's durations
};

struct BadKind {
  BadLine::Kind kind = BadLine::Kind::not_json;
  std::string message;
  uint64_t lines = 0, first_line = 0;
};

struct Anomalies {
  std::vector<UnpairedGpuTime> repeated;  // most time first
  OddLines lone_gpu;                      // unpaired GPU times that were said once
  std::vector<CutOff> cut_offs;
  uint64_t cut_off_count = 0;
  std::vector<NestedTotal> nested;        // most time first
  std::vector<Placeholder> placeholders;  // from find_placeholders()
  OddLines minute_gpu;                    // GPU times of 0 or 1 µs in buffers of 20 µs and more
  uint64_t minute_gpu_wall_us = 0;
  std::vector<BadKind> bad_lines;
  OddLines backwards, unstamped, jumps;   // time stamps; jumps: ahead, within a token
  OddLines odd_durations;                 // negative, or longer than an hour: left out of the accounts
  OddLines short_totals, early_totals;    // of TokenLedger
  OddShare events_twice, crossing_waits;  // of DoubleWatch
  OddLines runs_twice;

  /// Drops what only a clock can show.
  void forget_clock();

  bool any() const;
};

/// Collects what a single event or two neighbours show.
class AnomalyWatch {
 public:
  void bad_line(const BadLine& bad);
  /// True if the stamp jumps back so far that another run must have begun.
  bool stamp(int64_t stamp_ns, uint64_t line);
  /// The ns by which a stamp jumps ahead of the latest one and of its event's own duration; 0: less than a second.
  int64_t jump_ns(int64_t began_ns, uint64_t line);
  /// A total that ended at `end_ns`; totals that lie within it were seen before.
  void total(StringId name, int64_t end_ns, int64_t us);
  void new_run();

  OddLines unstamped, odd_durations;

  /// Moves what was found to `to`.
  void finish(const StringTable& strings, Anomalies& to);

 private:
  struct Total {
    StringId name;
    int64_t begin_ns, us;
  };
  struct Pair {
    uint64_t times = 0;
    Int128 us = 0;
  };
  std::map<std::pair<BadLine::Kind, std::string>, size_t> bad_places_;
  std::vector<BadKind> bad_;
  std::vector<Total> totals_;  // that nothing holds yet; the last 256
  std::unordered_map<uint64_t, Pair> nested_;
  OddLines backwards_, jumps_;
  int64_t latest_ns_ = kNoTime;
};

/// Round durations that stand out: at least 8 events and a twentieth of their name's have the same multiple of 100 µs,
/// ten times as many as any value within a tenth of it.
std::vector<Placeholder> find_placeholders(const ClassicCounts& counts, const StringTable& strings);

/// Numbers of their own (block_7, blk.7.attn, layers/7) become N, so that the blocks of a model share a name.
std::string without_numbers(std::string_view name);

}  // namespace assay
