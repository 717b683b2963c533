// Bookings become parts: where the clock can be trusted they cover its line, each moment once; else they are added up.
#include "analysis/token_ledger.h"

#include <algorithm>
#include <utility>

namespace assay {
namespace {

constexpr size_t kMostBookings = 1 << 16;                        // 2 MB; a decoded token of 24 blocks has about 700
constexpr int64_t kMostNs = INT64_C(2'000'000'000'000'000'000);  // sums stay there: stamps may say anything
constexpr size_t kMostBuckets = 64, kMostCutOffs = 100;
constexpr double kWholeForward = 0.99;  // of a forward pass; durations are cut to whole µs
constexpr int64_t kSlackNs = 2000;

bool ends_earlier(const Booking& a, const Booking& b) { return a.end_ns < b.end_ns; }

void sort_by_end(std::vector<Booking>& bookings) {
  if (!std::is_sorted(bookings.begin(), bookings.end(), ends_earlier))
    std::stable_sort(bookings.begin(), bookings.end(), ends_earlier);
}

int64_t& part_of(TimeParts& parts, Booking::Kind kind) {
  if (kind == Booking::Kind::cpu) return parts.cpu_ns;
  return kind == Booking::Kind::unsplit ? parts.unsplit_ns : parts.host_ns;
}

/// What was added up beyond the wall ran at the same time as something else. The GPU's own time is cut last.
void cut_to_wall(TimeParts& parts, int64_t wall_ns) {
  int64_t beyond_ns = parts.gpu_ns + parts.host_ns + parts.cpu_ns + parts.unsplit_ns - wall_ns;
  for (int64_t TimeParts::*part :
       {&TimeParts::cpu_ns, &TimeParts::unsplit_ns, &TimeParts::host_ns, &TimeParts::gpu_ns}) {
    const int64_t cut_ns = std::clamp<int64_t>(beyond_ns, 0, parts.*part);
    parts.*part -= cut_ns;
    parts.overlap_ns += cut_ns;
    beyond_ns -= cut_ns;
  }
}

int64_t sum_of_parts(const TimeParts& parts) { return parts.gpu_ns + parts.host_ns + parts.cpu_ns + parts.unsplit_ns; }

void add_to_bucket(std::vector<PositionBucket>& buckets, uint64_t position, const TimeParts& parts) {
  uint64_t width = buckets.empty() ? 1 : buckets[0].width;
  while (position / width >= kMostBuckets) {
    width *= 2;
    for (size_t i = 0; i < buckets.size(); ++i) {
      if (i % 2 == 0) {
        buckets[i / 2] = buckets[i];
      } else {
        buckets[i / 2].tokens += buckets[i].tokens;
        buckets[i / 2].parts += buckets[i].parts;
      }
    }
    buckets.resize((buckets.size() + 1) / 2);
    for (PositionBucket& bucket : buckets) bucket.width = width;
  }
  for (size_t i = buckets.size(); i <= position / width; ++i) buckets.push_back({i * width, width, 0, {}});
  ++buckets[position / width].tokens;
  buckets[position / width].parts += parts;
}

}  // namespace

TimeParts& TimeParts::operator+=(const TimeParts& other) {
  const auto sum = [](int64_t& to, int64_t ns) { to = std::min(to + std::min(ns, kMostNs), kMostNs); };
  sum(wall_ns, other.wall_ns), sum(gpu_ns, other.gpu_ns), sum(host_ns, other.host_ns), sum(cpu_ns, other.cpu_ns);
  sum(unsplit_ns, other.unsplit_ns), sum(overlap_ns, other.overlap_ns);
  buffers += other.buffers;
  return *this;
}

void TokenLedger::book(const Booking& booking, Phase phase) {
  bookings_.push_back(booking);
  Booking& kept = bookings_.back();
  if (kept.end_ns == kNoTime) kept.end_ns = last_stamp_ns_;  // lines stand in the order in which things ended
  if (phase != Phase::none) {
    if (begun_ == Phase::none) {
      begun_ = phase;
      phase_began_at_ = bookings_.size() - 1;
    }
    const int64_t began_ns = kept.end_ns == kNoTime ? kNoTime : kept.end_ns - kept.wall_ns;
    if (phase_began_ns_ == kNoTime || began_ns < phase_began_ns_) phase_began_ns_ = began_ns;
    phase_buffers_ += booking.kind == Booking::Kind::buffer || booking.kind == Booking::Kind::unsplit;
  }
  if (bookings_.size() >= kMostBookings) fold();
}

/// Stamps of whole milliseconds would stack buffers of 100 µs on each other, and stamps given when a buffered log was
/// written do not advance with the durations: then only sums are left.
bool TokenLedger::has_clock(size_t count, std::optional<int64_t> wall_ns) const {
  if (count == 0) return last_stamp_ns_ != kNoTime;
  if (!fine_stamps_) return false;
  int64_t first_ns = bookings_[0].end_ns, last_ns = first_ns, sum_ns = 0;
  for (size_t i = 0; i < count; ++i) {
    if (bookings_[i].end_ns == kNoTime) return false;
    first_ns = std::min(first_ns, bookings_[i].end_ns);
    last_ns = std::max(last_ns, bookings_[i].end_ns);
    sum_ns += bookings_[i].wall_ns;
  }
  const bool advances = count == 1 || (count < 16 ? last_ns > first_ns : last_ns - first_ns >= sum_ns / 4);
  return advances || (count < 16 && wall_ns && sum_ns > *wall_ns);  // more than the wall: they did overlap
}

TimeParts TokenLedger::add_up(size_t first, size_t count) const {
  TimeParts parts;
  for (size_t i = first; i < count; ++i) {
    const Booking& booking = bookings_[i];
    const int64_t gpu_ns = std::min(booking.gpu_ns, booking.wall_ns);
    parts.gpu_ns += gpu_ns;
    part_of(parts, booking.kind) += booking.wall_ns - gpu_ns;
    parts.buffers += booking.kind == Booking::Kind::buffer;
  }
  return parts;
}

/// How long the forward pass since the last token took at the least: the clock's time that its buffers cover, or, where
/// there is no clock, what the GPU worked.
int64_t TokenLedger::forward_pass_ns(size_t count, bool clock) const {
  int64_t sum_ns = 0, covered_to_ns = previous_end_ns_;
  for (size_t i = 0; i < count; ++i) {
    const Booking& booking = bookings_[i];
    if (!booking.is_forward) continue;
    if (!clock) {
      sum_ns += std::min(booking.gpu_ns, booking.wall_ns);
    } else if (booking.end_ns > covered_to_ns) {  // ends ascend
      sum_ns += booking.end_ns - std::max(booking.end_ns - booking.wall_ns, covered_to_ns);
      covered_to_ns = booking.end_ns;
    }
  }
  return std::max(sum_ns, forward_ns_);
}

/// Covers [begin, end) and says how much of it nothing covered before. Returns the window that it lies in now. Ends
/// come in ascending order, so only the last windows can be met.
TokenLedger::Window& TokenLedger::cover_more(int64_t begin_ns, int64_t end_ns, int64_t& covered_ns) {
  covered_ns = end_ns - begin_ns;
  Window merged{begin_ns, end_ns};
  while (!covered_.empty() && covered_.back().end_ns >= begin_ns) {
    const Window& last = covered_.back();
    covered_ns -= std::min(last.end_ns, end_ns) - std::max(last.begin_ns, begin_ns);
    merged = {std::min(merged.begin_ns, last.begin_ns), std::max(merged.end_ns, last.end_ns),
              merged.gpu_ns + last.gpu_ns, merged.held_ns + last.held_ns};
    covered_.pop_back();
  }
  return covered_.emplace_back(merged);
}

/// A GPU runs one buffer after the other: buffers that overlap kept it busy for the sum of their GPU times, though
/// never for longer than they last together.
TimeParts TokenLedger::cover(size_t count, const Window& window) {
  TimeParts parts;
  covered_.clear();
  for (size_t i = 0; i < count; ++i) {
    const Booking& booking = bookings_[i];
    const int64_t begin_ns = std::max(booking.end_ns - booking.wall_ns, window.begin_ns),
                  end_ns = std::min(booking.end_ns, window.end_ns);
    if (booking.end_ns <= window.begin_ns || begin_ns > end_ns) continue;
    int64_t covered_ns = 0;
    Window& in = cover_more(begin_ns, end_ns, covered_ns);
    parts.overlap_ns += end_ns - begin_ns - covered_ns;
    if (booking.kind == Booking::Kind::buffer) {
      in.gpu_ns += std::min(booking.gpu_ns, end_ns - begin_ns);
      in.held_ns += covered_ns;
      parts.buffers += booking.end_ns <= window.end_ns;  // it counts where it ends
    } else {
      part_of(parts, booking.kind) += covered_ns;
    }
  }
  for (const Window& in : covered_) {
    const int64_t gpu_ns = std::min(in.gpu_ns, in.held_ns);
    parts.gpu_ns += gpu_ns;
    parts.host_ns += in.held_ns - gpu_ns;
  }
  return parts;
}

void TokenLedger::fold() {
  sort_by_end(bookings_);
  const size_t count = bookings_.size() / 2;
  const int64_t to_ns = bookings_[count - 1].end_ns;
  if (has_clock(count))
    folded_ += cover(count, {std::max(folded_to_ns_, previous_end_ns_), to_ns});
  else
    folded_ += add_up(0, count);
  folded_to_ns_ = to_ns;
  phase_began_at_ -= std::min(phase_began_at_, count);
  bookings_.erase(bookings_.begin(), bookings_.begin() + static_cast<ptrdiff_t>(count));
}

TimeParts TokenLedger::take_folded() {
  folded_to_ns_ = kNoTime;
  return std::exchange(folded_, {});
}

void TokenLedger::add_token(Phase phase, const TimeParts& parts, bool wall_known) {
  if (phase == Phase::prompt && last_phase_ != Phase::prompt) position_ = 0;  // a sequence begins
  PhaseAccount& account = phase == Phase::prompt ? prompt : decode;
  ++account.tokens;
  account.tokens_without_wall += !wall_known;
  account.parts += parts;
  const int64_t wall_ns = std::max<int64_t>(parts.wall_ns, 0);
  account.wall_us.add(static_cast<uint64_t>(wall_ns + 500) / 1000);
  account.wall_us_by_position.add(double(position_), double(wall_ns) / 1e3);
  add_to_bucket(account.by_position, position_++, parts);
  last_phase_ = phase;
  any_token_ = true;
}

void TokenLedger::end_token(Phase phase, const Place& end, std::optional<Total> total) {
  size_t count = std::min(end.bookings, bookings_.size());
  const bool clock = end.end_ns != kNoTime && has_clock(count, total ? std::optional(total->ns) : std::nullopt);
  if (clock) {
    sort_by_end(bookings_);
    const auto after =
        std::upper_bound(bookings_.begin(), bookings_.end(), Booking{end.end_ns, 0, 0, {}, false}, ends_earlier);
    count = static_cast<size_t>(after - bookings_.begin());
  }
  if (total && double(total->ns) < kWholeForward * double(forward_pass_ns(count, clock))) {
    short_totals.add(total->line);
    total.reset();
  }
  const bool goes_on = last_phase_ == phase || (last_phase_ == Phase::prompt && phase == Phase::decode);
  int64_t begin_ns =
      goes_on || phase_began_ns_ == kNoTime ? previous_end_ns_ : std::max(phase_began_ns_, previous_end_ns_);
  if (total && end.end_ns != kNoTime) begin_ns = end.end_ns - total->ns;
  // A run's first events may be missing, so half of a first total is believed without them.
  if (total && clock && begin_ns < previous_end_ns_ && (any_token_ || end.end_ns - previous_end_ns_ < total->ns / 2)) {
    if (previous_end_ns_ - begin_ns > kSlackNs) early_totals.add(total->line, previous_end_ns_ - begin_ns);
    begin_ns = previous_end_ns_;
  }
  const bool stamps_advance =
      end.end_ns != kNoTime && begin_ns != kNoTime && end.end_ns > begin_ns && end.end_ns - begin_ns <= kLongestNs;
  TimeParts parts;
  const TimeParts folded = take_folded();
  if (clock) {
    parts = cover(count, {begin_ns, end.end_ns});
    parts += folded;
    parts.wall_ns = stamps_advance ? end.end_ns - begin_ns : sum_of_parts(parts);
    if (begin_ns - previous_end_ns_ > 1000) {  // durations are cut to whole µs
      TimeParts between = cover(count, {previous_end_ns_, begin_ns});
      between.wall_ns = begin_ns - previous_end_ns_;
      stretch() += between;
    }
  } else {
    ++tokens_without_clock;
    const size_t own = goes_on ? 0 : std::min(phase_began_at_, count);
    parts = add_up(own, count);
    (own ? stretch() : parts) += folded;
    TimeParts before = add_up(0, own);
    before.wall_ns = sum_of_parts(before);
    stretch() += before;
    parts.wall_ns = total ? total->ns : stamps_advance ? end.end_ns - begin_ns : sum_of_parts(parts);
    cut_to_wall(parts, parts.wall_ns);
  }
  add_token(phase, parts, total || stamps_advance);
  if (on_token && stamps_advance) on_token({phase, position_ - 1, begin_ns, end.end_ns});
  bookings_.erase(bookings_.begin(), bookings_.begin() + static_cast<ptrdiff_t>(count));
  if (end.end_ns != kNoTime) previous_end_ns_ = end.end_ns;
  phase_began_ns_ = kNoTime;
  phase_buffers_ = 0;
  forward_ns_ = 0;
  begun_ = Phase::none;
}

void TokenLedger::end_run(uint64_t line) {
  TimeParts rest = take_folded();
  if (previous_end_ns_ != kNoTime && has_clock(bookings_.size())) {
    sort_by_end(bookings_);
    rest += cover(bookings_.size(), {previous_end_ns_, last_stamp_ns_});
    rest.wall_ns = std::max<int64_t>(last_stamp_ns_ - previous_end_ns_, 0);
  } else {
    rest += add_up(0, bookings_.size());
    rest.wall_ns = sum_of_parts(rest);
  }
  if (begun_ != Phase::none) {
    const uint64_t before = prompt.tokens + decode.tokens;
    if (cut_off_count++ < kMostCutOffs) cut_offs.push_back({begun_, before, phase_buffers_, line, rest.wall_ns});
  }
  stretch() += rest;
  bookings_.clear();
  previous_end_ns_ = last_stamp_ns_ = kNoTime;
  phase_began_ns_ = kNoTime;
  phase_buffers_ = 0;
  begun_ = last_phase_ = Phase::none;
  forward_ns_ = 0;
  any_token_ = false;
  position_ = 0;
}

}  // namespace assay
