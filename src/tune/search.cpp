// Candidates in waves, and finals among the best.
#include "tune/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/clock.h"
#include "measure/ranking_samples.h"
#include "measure/worker_process.h"

namespace assay {
namespace {

constexpr size_t kFirstWave = 4, kWave = 8;  // newcomers that meet the best so far at once
constexpr size_t kIncumbents = 2;            // of those
constexpr size_t kFinalists = 6;
constexpr double kNear = 1.10;  // finalists are so near the best at most; the default always is one
constexpr int kFinals = 2, kMostFinals = 4;
constexpr double kWaveShare = 0.75;  // of the time; the rest is for finals

Effort wave_effort(Effort effort) {
  effort.keep_share = 0.5;
  effort.rounds = 16;
  effort.least_rounds = 3;
  effort.noisy_rounds = 5;
  effort.spec_budget_s = 0.12;
  effort.winner_settle_ms = effort.late_ms = effort.whole_sweep_s = 0;  // finals do
  return effort;
}

Effort final_effort(Effort effort) {
  effort.screen_ratio = effort.contender_ratio = HUGE_VAL;  // they have been chosen
  effort.spec_budget_s = 0.25;
  return effort;
}

}  // namespace

double ranking_us(const CaseRecord* record) {
  if (!record || (record->outcome != Outcome::pass && record->outcome != Outcome::noisy)) return 0;
  return summarize(ranking_samples(*record).device_us).median;
}

Search::Search(Sweep& sweep, std::vector<SearchSpec> specs, const SearchOptions& options,
               std::function<void(int, const Spec&, size_t, size_t)> on_final)
    : sweep_(sweep), specs_(std::move(specs)), options_(options), on_final_(std::move(on_final)) {}

size_t Search::untried() const {
  size_t count = 0;
  for (size_t spec = 0; spec < specs_.size(); ++spec)
    for (const size_t i : specs_[spec].order) count += sweep_.record(spec, i) == nullptr;
  return count;
}

double Search::spent_s() const { return double(now_ns() - began_ns_) * 1e-9 - (sweep_.waited_s() - waited_s_); }

/// The fastest so far that passed, best first; the default where it passed, whatever it takes.
std::vector<size_t> Search::leaders(size_t spec, size_t at_most, double within) const {
  std::vector<std::pair<double, size_t>> times;
  for (const size_t i : specs_[spec].order)
    if (const double us = ranking_us(sweep_.record(spec, i)); us > 0) times.emplace_back(us, i);
  std::sort(times.begin(), times.end());
  std::vector<size_t> best;
  for (const auto& [us, i] : times)
    if (best.size() < at_most && us <= times[0].first * within) best.push_back(i);
  const size_t default_case = specs_[spec].order.empty() ? 0 : specs_[spec].order[0];
  if (!times.empty() && ranking_us(sweep_.record(spec, default_case)) > 0 &&
      std::find(best.begin(), best.end(), default_case) == best.end())
    best.push_back(default_case);
  return best;
}

/// The next newcomers of a spec meet the best so far. False if interrupted.
bool Search::play_wave(size_t spec, size_t at_most) {
  std::vector<size_t> players = leaders(spec, kIncumbents, HUGE_VAL);
  size_t newcomers = 0;
  for (const size_t i : specs_[spec].order)
    if (!sweep_.record(spec, i) && newcomers < at_most) players.push_back(i), ++newcomers;
  return newcomers == 0 || sweep_.play(spec, players, wave_effort(options_.effort));
}

/// A first wave of each spec, then those where most time goes first.
bool Search::play_waves() {
  for (size_t spec = 0; spec < specs_.size(); ++spec) {
    if (leaders(spec, 1, 1).empty() && !play_wave(spec, kFirstWave)) return false;
    if (interrupted()) return false;
  }
  std::vector<size_t> by_time(specs_.size());
  std::iota(by_time.begin(), by_time.end(), size_t(0));
  const auto step_us = [&](size_t spec) {
    const std::vector<size_t> best = leaders(spec, 1, 1);
    return specs_[spec].weight * (best.empty() ? 0 : ranking_us(sweep_.record(spec, best[0])));
  };
  for (size_t before = untried() + 1; untried() > 0 && untried() < before;) {
    before = untried();
    std::stable_sort(by_time.begin(), by_time.end(), [&](size_t a, size_t b) { return step_us(a) > step_us(b); });
    for (const size_t spec : by_time) {
      if (spent_s() > options_.seconds * kWaveShare) return true;
      if (interrupted() || !play_wave(spec, kWave)) return false;
    }
  }
  return true;
}

bool Search::play_finals() {
  std::vector<std::pair<size_t, std::vector<size_t>>> finals;
  for (size_t spec = 0; spec < specs_.size(); ++spec)
    if (std::vector<size_t> finalists = leaders(spec, kFinalists, kNear); finalists.size() > 1)
      finals.emplace_back(spec, std::move(finalists));
  for (; finals_ < kMostFinals; ++finals_)
    for (size_t i = 0; i < finals.size(); ++i) {
      if (finals_ >= kFinals && spent_s() > options_.seconds) return true;
      if (finals_ > 0 && spent_s() > 1.3 * options_.seconds) return true;
      if (interrupted()) return false;
      const auto& [spec, finalists] = finals[i];
      if (on_final_) on_final_(finals_ + 1, sweep_.spec(spec), i + 1, finals.size());
      if (!sweep_.play(spec, finalists, final_effort(options_.effort))) return false;
    }
  return true;
}

bool Search::run() {
  if (untried() == 0 && !options_.again) return true;
  if (!sweep_.begin()) return false;
  began_ns_ = now_ns();
  waited_s_ = sweep_.waited_s();
  return play_waves() && play_finals();
}

}  // namespace assay
