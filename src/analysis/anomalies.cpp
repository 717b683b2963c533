// Finding what is odd; memory is bounded by kinds, names and pairs of names.
#include "analysis/anomalies.h"

#include <algorithm>

namespace assay {
namespace {

constexpr size_t kMostBadKinds = 64, kMostTotals = 256;
constexpr int64_t kNewRunNs = 1'000'000'000;  // threads that write one log are not that far apart
constexpr int64_t kJumpNs = 1'000'000'000;    // no engine is silent for that long within a token
constexpr int64_t kSlackNs = 2000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Adds the placeholders of one name's durations.
void find_round_values(const std::string& name, const DurationCounts& durations,
                       std::map<std::pair<std::string, Int128>, Placeholder>& found) {
  const auto values = durations.sorted();
  uint64_t all = 0;
  for (const auto& [us, times] : values) all += times;
  if (all < 8) return;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto [us, times] = values[i];
    if (times < 8 || times * 20 < all || us < 100 || us % 100 != 0) continue;
    uint64_t most = 0;
    for (size_t j = i; j > 0 && values[j - 1].first * 10 >= us * 9; --j) most = std::max(most, values[j - 1].second);
    for (size_t j = i + 1; j < values.size() && values[j].first * 10 <= us * 11; ++j)
      most = std::max(most, values[j].second);
    if (times < most * 10) continue;
    Placeholder& placeholder = found.try_emplace({name, us}, Placeholder{name, us, 0, 0}).first->second;
    placeholder.times += times;
    placeholder.of += all;
  }
}

}  // namespace

bool Anomalies::any() const {
  return !repeated.empty() || lone_gpu.times || cut_off_count || !nested.empty() || !placeholders.empty() ||
         minute_gpu.times || !bad_lines.empty() || backwards.times || unstamped.times || jumps.times ||
         odd_durations.times || short_totals.times || early_totals.times || events_twice.odd.times ||
         crossing_waits.odd.times || runs_twice.times;
}

void Anomalies::forget_clock() {
  nested.clear();
  backwards = jumps = lone_gpu = early_totals = {};
  crossing_waits = {};
}

std::string without_numbers(std::string_view name) {
  const auto parts = [&](size_t at) {
    return at == std::string_view::npos || at >= name.size() ||
           std::string_view("_./").find(name[at]) != std::string_view::npos;
  };
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    size_t end = i;
    while (end < name.size() && is_digit(name[end])) ++end;
    if (end == i) {
      out += name[i];
      continue;
    }
    const bool after_underscore = i > 0 && name[i - 1] == '_';  // block_7; gemv_q8 keeps its 8
    if (after_underscore || (parts(i - 1) && parts(end)))
      out += 'N';
    else
      out += name.substr(i, end - i);
    i = end - 1;
  }
  return out;
}

void AnomalyWatch::bad_line(const BadLine& bad) {
  const auto key = std::make_pair(bad.kind, bad.message);
  auto at = bad_places_.find(key);
  if (at == bad_places_.end()) {
    if (bad_.size() <= kMostBadKinds)
      bad_.push_back({bad.kind, bad_.size() < kMostBadKinds ? bad.message : "of yet other kinds", 0, bad.line});
    if (bad_.size() <= kMostBadKinds) at = bad_places_.emplace(key, bad_.size() - 1).first;
  }
  ++(at == bad_places_.end() ? bad_.back() : bad_[at->second]).lines;
}

bool AnomalyWatch::stamp(int64_t stamp_ns, uint64_t line) {
  const int64_t back_ns = latest_ns_ == kNoTime ? 0 : latest_ns_ - stamp_ns;
  if (back_ns <= 0) {
    latest_ns_ = stamp_ns;
    return false;
  }
  backwards_.add(line, back_ns);
  if (back_ns <= kNewRunNs) return false;
  latest_ns_ = stamp_ns;
  return true;
}

int64_t AnomalyWatch::jump_ns(int64_t began_ns, uint64_t line) {
  const int64_t jump_ns = latest_ns_ == kNoTime ? 0 : began_ns - latest_ns_;
  if (jump_ns < kJumpNs) return 0;
  jumps_.add(line, jump_ns);
  return jump_ns;
}

void AnomalyWatch::total(StringId name, int64_t end_ns, int64_t us) {
  const int64_t begin_ns = end_ns - us * 1000;
  while (!totals_.empty() && totals_.back().begin_ns >= begin_ns - kSlackNs) {
    Pair& pair = nested_[uint64_t(totals_.back().name) << 32 | name];
    ++pair.times;
    pair.us += totals_.back().us;
    totals_.pop_back();
  }
  if (totals_.size() == kMostTotals) totals_.erase(totals_.begin(), totals_.begin() + kMostTotals / 2);
  totals_.push_back({name, begin_ns, us});
}

void AnomalyWatch::new_run() {
  totals_.clear();
  latest_ns_ = kNoTime;
}

void AnomalyWatch::finish(const StringTable& strings, Anomalies& to) {
  std::map<std::pair<std::string, std::string>, Pair> by_name;
  for (const auto& [ids, pair] : nested_) {
    Pair& sum = by_name[{without_numbers(strings.text(static_cast<StringId>(ids >> 32))),
                         without_numbers(strings.text(static_cast<StringId>(ids)))}];
    sum.times += pair.times;
    sum.us += pair.us;
  }
  for (const auto& [names, pair] : by_name) to.nested.push_back({names.first, names.second, pair.times, pair.us});
  std::stable_sort(to.nested.begin(), to.nested.end(),
                   [](const NestedTotal& a, const NestedTotal& b) { return a.us > b.us; });
  to.bad_lines = std::move(bad_);
  to.backwards = backwards_;
  to.jumps = jumps_;
  to.unstamped = unstamped;
  to.odd_durations = odd_durations;
}

std::vector<Placeholder> find_placeholders(const ClassicCounts& counts, const StringTable& strings) {
  std::map<std::pair<std::string, Int128>, Placeholder> found;
  for (const ClassicCounts::Op& op : counts.ops())
    find_round_values(without_numbers(strings.text(op.name)), op.durations, found);
  for (const ClassicCounts::Internal& internal : counts.internals())
    find_round_values(without_numbers(strings.text(internal.kernel)), internal.durations, found);
  std::vector<Placeholder> placeholders;
  for (auto& [key, placeholder] : found) placeholders.push_back(std::move(placeholder));
  std::stable_sort(placeholders.begin(), placeholders.end(),
                   [](const Placeholder& a, const Placeholder& b) { return a.times > b.times; });
  return placeholders;
}

}  // namespace assay
