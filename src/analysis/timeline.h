// What ran when: the timed events of a trace as slices that nest, of all of it or of one token.
#pragma once
#include <deque>
#include <vector>

#include "analysis/accounting.h"

namespace assay {

struct Slice {
  enum class Kind : uint8_t { op, wait, buffer, host };  // host: an internal kernel, or a total of several
  Kind kind = Kind::op;
  uint32_t lane = 0;  // slices of one track and lane lie apart or within each other
  StringId name = kMissing, backend = kMissing, parent = kMissing, matmul = kMissing;
  uint64_t line = 0;
  int64_t begin_ns = 0, end_ns = 0;
};

/// Tracks: what the host did op by op, the device's own times, internal kernels.
enum class Track : uint8_t { ops, device, host };
Track track_of(Slice::Kind kind);

/// Gives each slice its lane. Durations are whole µs, so one that begins up to 1 µs too late to hold what it holds is
/// widened, and one that begins so much too early is cut. Afterwards they are sorted: by track and lane, outer ones
/// first.
void lay_out(std::vector<Slice>& slices);

class Timeline : public EventConsumer {
 public:
  /// typical: of the last 32 decoded tokens the one whose wall is their median.
  enum class Keep { all, one_token, typical };
  /// Must get each batch after `accounting` has, which tells it the tokens. `token` counts those of prompt and decode
  /// from 0; it is read for Keep::one_token.
  Timeline(TimeAccounting& accounting, Keep keep, uint64_t token = 0);

  void consume(const Batch& batch, const StringTable& strings) override;
  /// After accounting's finish(). Laid out.
  void finish();

  const std::vector<Slice>& slices() const { return slices_; }
  /// All tokens, or the one whose slices were kept.
  const std::vector<TokenSpan>& tokens() const { return tokens_; }
  uint64_t tokens_seen() const { return seen_; }
  /// Timed events that no stamp places on the clock.
  uint64_t without_time() const { return without_time_; }
  /// The number of the token that was kept.
  uint64_t kept_token() const { return kept_; }

 private:
  void add(const Event& event, const StringTable& strings);
  void settle();

  static constexpr size_t kCandidates = 32;
  struct Candidate {
    TokenSpan token;
    uint64_t number = 0;
    std::vector<Slice> slices;
  };

  Keep keep_;
  uint64_t wanted_, seen_ = 0, kept_ = 0, without_time_ = 0;
  bool has_wanted_ = false;
  std::vector<Slice> slices_, pending_;
  std::deque<Candidate> candidates_;
  std::vector<TokenSpan> tokens_, ended_;
  std::vector<int8_t> kinds_;  // of op names, by string: -1 unknown
};

}  // namespace assay
