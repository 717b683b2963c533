// Slices of a trace: kept for the tokens that are wanted, laid out so that they nest.
#include "analysis/timeline.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace assay {
namespace {

constexpr int64_t kRoundedNs = 1000;  // durations are cut to whole µs

/// The outermost slices of a lane so far, in the order in which they ended.
struct Lane {
  std::vector<size_t> outer;
};

/// Whether the slice, which ends last, fits there: then it holds what it must and begins accordingly.
bool take(Lane& lane, std::vector<Slice>& slices, size_t index) {
  Slice& slice = slices[index];
  size_t first = lane.outer.size();
  int64_t begin_ns = slice.begin_ns;
  while (first > 0 && slices[lane.outer[first - 1]].begin_ns >= slice.begin_ns - kRoundedNs &&
         (slices[lane.outer[first - 1]].end_ns > slice.begin_ns ||
          slices[lane.outer[first - 1]].begin_ns >= slice.begin_ns)) {
    --first;
    begin_ns = std::min(begin_ns, slices[lane.outer[first]].begin_ns);
  }
  if (first > 0) {
    const int64_t before_ns = slices[lane.outer[first - 1]].end_ns;
    if (before_ns > begin_ns + kRoundedNs) return false;
    begin_ns = std::max(begin_ns, before_ns);
  }
  slice.begin_ns = std::min(begin_ns, slice.end_ns);
  lane.outer.resize(first);
  lane.outer.push_back(index);
  return true;
}

}  // namespace

Track track_of(Slice::Kind kind) {
  if (kind == Slice::Kind::buffer) return Track::device;
  return kind == Slice::Kind::host ? Track::host : Track::ops;
}

void lay_out(std::vector<Slice>& slices) {
  std::stable_sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) {
    return std::tuple(a.end_ns, -a.begin_ns, a.line) < std::tuple(b.end_ns, -b.begin_ns, b.line);
  });
  std::map<Track, std::vector<Lane>> tracks;
  for (size_t i = 0; i < slices.size(); ++i) {
    std::vector<Lane>& lanes = tracks[track_of(slices[i].kind)];
    size_t lane = 0;
    while (lane < lanes.size() && !take(lanes[lane], slices, i)) ++lane;
    if (lane == lanes.size()) take(lanes.emplace_back(), slices, i);
    slices[i].lane = static_cast<uint32_t>(lane);
  }
  const auto place = [](const Slice& s) {
    return std::tuple(track_of(s.kind), s.lane, s.begin_ns, -s.end_ns, -static_cast<int64_t>(s.line));
  };
  std::sort(slices.begin(), slices.end(), [&](const Slice& a, const Slice& b) { return place(a) < place(b); });
}

Timeline::Timeline(TimeAccounting& accounting, Keep keep, uint64_t token) : keep_(keep), wanted_(token) {
  accounting.watch_tokens([this](const TokenSpan& span) { ended_.push_back(span); });
}

void Timeline::consume(const Batch& batch, const StringTable& strings) {
  if (has_wanted_) {
    seen_ += ended_.size();
    ended_.clear();
    return;
  }
  for (const Event& event : batch.events) add(event, strings);
  settle();
}

void Timeline::add(const Event& event, const StringTable& strings) {
  const bool is_op = event.type == EventType::gpu_op_completed;
  if (!event.has_duration() || (!is_op && event.type != EventType::internal_kernel_completed)) return;
  const Int128 us = event.duration_us();
  if (event.timestamp_ns < 0 || us < 0 || us > kLongestNs / 1000) {
    ++without_time_;
    return;
  }
  Slice slice;
  slice.kind = Slice::Kind::host;
  slice.name = is_op ? event.op_name : event.internal_kernel_name;
  if (is_op) {
    if (slice.name >= kinds_.size()) kinds_.resize(std::max<size_t>(slice.name + 1, kinds_.size() * 2), -1);
    int8_t& kind = kinds_[slice.name];
    if (kind < 0) {
      const OpClass op = op_class(strings.text(slice.name));
      kind = static_cast<int8_t>(op == OpClass::command_buffer ? Slice::Kind::buffer
                                 : op == OpClass::wait         ? Slice::Kind::wait
                                                               : Slice::Kind::op);
    }
    slice.kind = static_cast<Slice::Kind>(kind);
  }
  slice.backend = event.backend;
  slice.parent = event.parent_op_name;
  slice.matmul = event.matmul;
  slice.line = event.line;
  slice.end_ns = event.timestamp_ns;
  slice.begin_ns = event.timestamp_ns - static_cast<int64_t>(us) * 1000;
  pending_.push_back(slice);
}

/// Tokens that have ended by now take their slices; what none to come can have is dropped.
void Timeline::settle() {
  if (keep_ == Keep::all) {
    tokens_.insert(tokens_.end(), ended_.begin(), ended_.end());
    seen_ += ended_.size();
    ended_.clear();
    return;
  }
  int64_t settled_ns = kNoTime;
  for (const TokenSpan& token : ended_) {
    const uint64_t number = seen_++;
    settled_ns = std::max(settled_ns, token.end_ns);
    if (has_wanted_ || (keep_ == Keep::one_token ? number != wanted_ : token.phase != Phase::decode)) continue;
    has_wanted_ = keep_ == Keep::one_token;
    if (candidates_.size() == kCandidates) candidates_.pop_front();
    Candidate& kept = candidates_.emplace_back(Candidate{token, number, {}});
    for (const Slice& slice : pending_)
      if (slice.end_ns > token.begin_ns && slice.end_ns <= token.end_ns &&
          slice.begin_ns >= token.begin_ns - kRoundedNs)
        kept.slices.push_back(slice);
  }
  ended_.clear();
  std::erase_if(pending_, [&](const Slice& slice) { return slice.end_ns <= settled_ns; });
}

void Timeline::finish() {
  settle();
  if (keep_ == Keep::all) {
    slices_ = std::move(pending_);
  } else if (!candidates_.empty()) {
    const auto wall = [](const Candidate& c) { return c.token.end_ns - c.token.begin_ns; };
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [&](const Candidate& a, const Candidate& b) { return wall(a) < wall(b); });
    Candidate& typical = candidates_[(candidates_.size() - 1) / 2];
    tokens_ = {typical.token};
    kept_ = typical.number;
    slices_ = std::move(typical.slices);
  }
  pending_.clear();
  candidates_.clear();
  lay_out(slices_);
}

}  // namespace assay
