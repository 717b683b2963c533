// Time by token: what events report is booked on the clock's line, and the line is cut where tokens end.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "stats/log_histogram.h"
#include "stats/robust_line.h"
#include "trace/event.h"
#include "trace/odd_lines.h"

namespace assay {

enum class Phase : uint8_t { none, prompt, decode };

/// A token or a duration beyond it is none: sums of them stay within 64 bits.
constexpr int64_t kLongestNs = INT64_C(3'600'000'000'000);

/// ns of one stretch of a run. wall = GPU busy + host cost + CPU + unattributed, by construction.
struct TimeParts {
  int64_t wall_ns = 0, gpu_ns = 0, host_ns = 0, cpu_ns = 0;
  int64_t unsplit_ns = 0;  // within unattributed: reported, but by events that no GPU time could be paired with
  int64_t overlap_ns = 0;  // reported again by events that ran at the same time; in no other part
  uint64_t buffers = 0;

  int64_t unattributed_ns() const { return wall_ns - gpu_ns - host_ns - cpu_ns; }
  TimeParts& operator+=(const TimeParts& other);
};

/// One thing that an event or a buffer reports: it ended at `end_ns` (kNoTime: unknown) and took `wall_ns`.
struct Booking {
  enum class Kind : uint8_t { buffer, host, cpu, unsplit };
  int64_t end_ns = kNoTime, wall_ns = 0;
  int64_t gpu_ns = 0;  // of a buffer
  Kind kind = Kind::buffer;
  bool is_forward = false;  // a buffer of a decoded token's forward pass
};

/// All tokens at positions [first, first + width) of their sequences.
struct PositionBucket {
  uint64_t first = 0, width = 0, tokens = 0;
  TimeParts parts;
};

struct PhaseAccount {
  uint64_t tokens = 0, tokens_without_wall = 0;  // without: no time stamps, no total; their parts' sum stands for it
  uint64_t given_tokens = 0;                     // that the embeddings of those passes read; 0: the trace does not say
  /// Whether what counts as a token was a pass over several, as of a prompt in pieces.
  bool is_of_passes() const { return given_tokens > tokens; }
  TimeParts parts;
  LogHistogram wall_us;
  RobustLine wall_us_by_position;
  std::vector<PositionBucket> by_position;  // 64 at most: they are joined pairwise when positions go further
};

/// A sequence's begun token that never ended.
struct CutOff {
  Phase phase = Phase::none;
  uint64_t tokens_before = 0, buffers = 0, line = 0;  // line: of the last event seen before the cut
  int64_t wall_ns = 0;
};

/// One token on the clock.
struct TokenSpan {
  Phase phase = Phase::none;
  uint64_t position = 0;  // in its sequence, from 0
  int64_t begin_ns = kNoTime, end_ns = kNoTime;
};

class TokenLedger {
 public:
  /// Told of each token that has both its times, in order.
  std::function<void(const TokenSpan&)> on_token;

  /// Phase: of the scope it comes from; none does not begin a token.
  void book(const Booking& booking, Phase phase);

  /// Where a token may turn out to have ended: then end_token() takes what was booked until then.
  struct Place {
    int64_t end_ns = kNoTime;
    size_t bookings = 0;
  };
  Place here(int64_t end_ns) const { return {end_ns, bookings_.size()}; }

  /// What an engine says that a total took, in the event of `line`.
  struct Total {
    int64_t ns = 0;
    uint64_t line = 0;
  };
  /// A token of `phase` ended. `total`: how long it took; without it, or where it is shorter than the forward pass, the
  /// token lasted since the one before, or since its first booking if it begins a sequence.
  void end_token(Phase phase, const Place& end, std::optional<Total> total);

  /// A forward pass took that long, as a total of its own says: no shorter total is its token's wall.
  void forward_took(int64_t ns) { forward_ns_ = std::max(forward_ns_, ns); }
  /// Whether something of a token was booked since the token before.
  bool in_token() const { return begun_ != Phase::none; }

  /// The run ended, in the middle of a token or not; another may follow.
  void end_run(uint64_t line);

  /// The clock: called for every event that has a time stamp; `began_ns` is when what it tells of began.
  void see(int64_t stamp_ns, int64_t began_ns) {
    if (previous_end_ns_ == kNoTime) previous_end_ns_ = began_ns;
    last_stamp_ns_ = stamp_ns;
    if (!fine_stamps_ && stamp_ns % 1'000'000 != 0) fine_stamps_ = true;
  }

  TimeParts load, outside;  // before a run's first token; between tokens and after the last
  PhaseAccount prompt, decode;
  std::vector<CutOff> cut_offs;  // the first 100
  uint64_t cut_off_count = 0;
  uint64_t tokens_without_clock = 0;  // stamps are missing, coarse or do not advance: durations were added up
  OddLines short_totals;              // shorter than the forward pass that they end: not taken
  OddLines early_totals;              // that begin before the token before ended: cut there

 private:
  struct Window {
    int64_t begin_ns, end_ns;
    int64_t gpu_ns = 0, held_ns = 0;  // of the buffers in it: what their GPU times say, and what only they cover
  };

  bool has_clock(size_t count, std::optional<int64_t> wall_ns = std::nullopt) const;
  TimeParts add_up(size_t first, size_t count) const;
  int64_t forward_pass_ns(size_t count, bool clock) const;
  TimeParts cover(size_t count, const Window& window);
  Window& cover_more(int64_t begin_ns, int64_t end_ns, int64_t& covered_ns);
  void fold();
  void add_token(Phase phase, const TimeParts& parts, bool wall_known);
  TimeParts take_folded();
  TimeParts& stretch() { return any_token_ ? outside : load; }

  std::vector<Booking> bookings_;  // since the last token's end; folded when there are many
  std::vector<Window> covered_;    // scratch of cover()
  TimeParts folded_;               // without a wall
  int64_t folded_to_ns_ = kNoTime;
  int64_t previous_end_ns_ = kNoTime, last_stamp_ns_ = kNoTime, phase_began_ns_ = kNoTime;
  int64_t forward_ns_ = 0;     // the longest forward_took() since the last token
  size_t phase_began_at_ = 0;  // in bookings_
  uint64_t phase_buffers_ = 0;
  Phase begun_ = Phase::none, last_phase_ = Phase::none;
  uint64_t position_ = 0;
  bool any_token_ = false, fine_stamps_ = false;
};

}  // namespace assay
