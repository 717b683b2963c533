// What the turns of one spec's cases say so far.
#include "measure/standings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include "base/error.h"
#include "measure/physics.h"
#include "measure/ranking_samples.h"
#include "measure/visits.h"

namespace assay {
namespace {

constexpr size_t kEnoughToConverge = 10;  // turns
constexpr double kMayTie = 1.05;          // in another visit

/// All launches so far, without those that were disturbed where enough others are left.
std::vector<double> undisturbed(const Contender& c) {
  return ranking_samples(c.record, /*head_to_head=*/false).device_us;
}

}  // namespace

std::vector<Contender*> Standings::everyone() {
  std::vector<Contender*> all{&reader, &bulk_reader};
  for (Contender& c : cases) all.push_back(&c);
  return all;
}

/// The summary that decisions between cases rest on.
Summary Standings::standing(const Contender& c) const {
  return summarize(c.turn_us.size() < kEnoughTurns ? undisturbed(c) : levelled_turns(c));
}

/// The turns with the machine's state of their round divided out: memory that slows down for a second slows all alike,
/// and the readers with them. A round's level is the geometric mean of those who took part in all rounds, against the
/// median round's.
std::vector<double> Standings::levelled_turns(const Contender& c) const {
  std::vector<const Contender*> steady{&reader, &bulk_reader};  // who took part in all rounds
  const size_t rounds = std::max(reader.turn_us.size(), bulk_reader.turn_us.size());
  for (const Contender& other : cases) steady.push_back(&other);
  std::erase_if(steady, [&](const Contender* other) { return other->turn_us.size() != rounds; });
  std::vector<double> turns = c.turn_us;
  if (steady.size() < 2) return turns;
  std::vector<double> level(rounds, 0);
  for (size_t r = 0; r < rounds; ++r) {
    for (const Contender* other : steady) level[r] += std::log(other->turn_us[r]);
    level[r] = std::exp(level[r] / double(steady.size()));
  }
  const double median_level = summarize(level).median;
  for (size_t r = 0; r < turns.size() && r < rounds; ++r) turns[r] *= median_level / level[r];
  return turns;
}

void Standings::let_losers_go() {
  std::array<double, kAccuracies>
      best_highs;  // among the classes up to this one: a less accurate case makes no other give up
  best_highs.fill(HUGE_VAL);
  for (const Contender& c : cases) {
    if (!c.competes() || !accusation(c).empty()) continue;
    for (size_t i = size_t(c.record.accuracy); i < kAccuracies; ++i)
      best_highs[i] = std::min(best_highs[i], standing(c).ci_high);
  }
  for (Contender& c : cases) {
    if (!c.competes()) continue;
    const double best_high = best_highs[size_t(c.record.accuracy)];
    const Summary s = standing(c);
    const double ratio =
        c.turn_us.size() < kEnoughTurns ? context_.effort.screen_ratio : context_.effort.contender_ratio;
    if (s.ci_low <= best_high * ratio) continue;
    c.contends = false;
    c.record.tags.emplace_back(kAbandonedTag);
    c.record.detail = fmt::format("abandoned after {} launches: at least {:.2f} times the best",
                                  c.record.device_us.size(), s.ci_low / best_high);
  }
}

void Standings::keep_best() {
  if (context_.effort.keep_share >= 1) return;
  struct Place {
    Contender* c;
    Summary summary;
  };
  std::vector<Place> places;
  for (Contender& c : cases)
    if (c.competes() && accusation(c).empty()) places.push_back({&c, standing(c)});
  for (const Place& place : places) {
    size_t rivals = 0, faster = 0;
    double best_high = HUGE_VAL;
    for (const Place& other : places) {
      if (other.c->record.accuracy > place.c->record.accuracy) continue;
      ++rivals;
      faster += other.summary.median < place.summary.median;
      best_high = std::min(best_high, other.summary.ci_high);
    }
    if (double(faster) < std::ceil(double(rivals) * context_.effort.keep_share)) continue;
    if (place.summary.ci_low <= best_high) continue;
    place.c->contends = false;
    place.c->record.tags.emplace_back(kAbandonedTag);
    place.c->record.detail = fmt::format("abandoned after {} launches: slower than {} of {}",
                                         place.c->record.device_us.size(), faster, rivals - 1);
  }
}

bool Standings::any_noisy() const {
  return std::any_of(cases.begin(), cases.end(), [this](const Contender& c) {
    return c.competes() && is_noisy(standing(c)) && accusation(c).empty();
  });
}

bool Standings::all_converged() const {
  return std::all_of(cases.begin(), cases.end(), [this](const Contender& c) {
    return !c.competes() ||
           (c.turn_us.size() >= kEnoughToConverge && converged(standing(c), context_.effort.converged_width));
  });
}

Contender* Standings::next_to_prove(const std::function<bool(const Contender&)>& is_proved) {
  for (Contender& c : cases)
    if (context_.effort.proves_all && c.running() && !is_proved(c)) return &c;
  for (size_t of_class = 0; of_class < kAccuracies; ++of_class) {
    std::vector<std::pair<Contender*, Summary>> left;
    for (Contender& c : cases)
      if (c.running() && size_t(c.record.accuracy) == of_class && accusation(c).empty() && !is_noisy(standing(c)))
        left.emplace_back(&c, standing(c));
    const bool any = std::any_of(left.begin(), left.end(), [](const auto& one) { return one.first->contends; });
    std::erase_if(left, [any](const auto& one) { return one.first->contends != any; });
    std::sort(left.begin(), left.end(),
              [](const auto& one, const auto& other) { return one.second.median < other.second.median; });
    double best_high = HUGE_VAL;
    for (const auto& [c, summary] : left) best_high = std::min(best_high, summary.ci_high);
    for (const auto& [c, summary] : left)
      if ((c == left.front().first || (any && summary.ci_low <= best_high * kMayTie)) && !is_proved(*c)) return c;
  }
  return nullptr;
}

/// Where rates do not drift, what the whole memory was seen to give counts as well as the readers, which are single
/// launches. Else 0.
double Standings::steady_gbps() const {
  return context_.device->launches_per_sample > 1 && context_.mode != Mode::hot ? context_.ceilings->memory_gbps() : 0;
}

/// What a rate of memory is held against: what is cold, if anything is.
int64_t Standings::timed_bytes() const { return spec_.cold_bytes() > 0 ? spec_.cold_bytes() : spec_.floor_bytes(); }

/// A rate of cold memory as one of all that a launch touches: what is hot is there at once. Of what is all hot it says
/// nothing.
double Standings::of_all_bytes(double gbps) const {
  return spec_.cold_bytes() > 0 ? gbps * double(spec_.floor_bytes()) / double(spec_.cold_bytes()) : 0;
}

/// Whether the times so far beat physics: such a case neither ranks nor makes others give up. What must be read and
/// computed the spec says: a kernel's own word, as that it prepared 64 bytes, counts for nothing.
std::string Standings::accusation(const Contender& c) const {
  const std::vector<double> single = undisturbed(reader), bulk = undisturbed(bulk_reader);
  const int64_t bytes = spec_.floor_bytes();
  std::vector<ReadSamples> reads;
  const double ever_gbps = spec_.cold_bytes() > 0 ? steady_gbps() : context_.ceilings->best_read_gbps();
  const std::vector<double> ever(8, ever_gbps > 0 ? double(timed_bytes()) / ever_gbps * 1e-3 : 0);
  if (ever_gbps > 0) reads.push_back({ever, bytes});
  // Of what is all hot a reader says little: waking its threads may take longer than one thread does it all.
  // In a chain the single reader hands on what the next one reads, and one who does that better is no liar.
  if (spec_.cold_bytes() > 0 && context_.mode != Mode::chained) reads.push_back({single, bytes});
  if (spec_.cold_bytes() > 0 && context_.mode != Mode::hot)
    reads.push_back({bulk, int64_t(double(bulk_reader.record.bytes) * of_all_bytes(1))});
  // What is written may still be under way when a launch ends.
  const int64_t must_read = bytes - (spec_.op->is_product ? 0 : spec_.written_bytes());
  const std::string beats =
      beats_physics(c.record.device_us, must_read, reads, spec_.flops, context_.ceilings->best_gflops());
  if (!beats.empty() || context_.mode == Mode::hot) return beats;
  return reads_too_little(c.record.dram_bytes, spec_.cold_bytes());
}

void Standings::judge_times(Contender& c) {
  if (const std::string accused = accusation(c); !accused.empty()) {
    c.record.outcome = Outcome::impossible;
    c.record.detail = accused;
  } else if (c.contends) {
    judge_noise(c.record);
  }
}

std::vector<CaseRecord> Standings::judge() {
  const Summary reachable = summarize(undisturbed(reader)), bulk = summarize(undisturbed(bulk_reader));
  // What memory gives: the long reads' rate, or the single launches' where those were faster (a cache's, in hot mode).
  const double single_gbps = double(spec_.floor_bytes()) / reachable.median * 1e-3;
  const double bulk_gbps = context_.mode == Mode::hot ? 0 : double(bulk_reader.record.bytes) / bulk.median * 1e-3;
  const double hot_gbps = spec_.cold_bytes() > 0 ? 0 : context_.ceilings->best_read_gbps();
  const double gbps = std::max({single_gbps, of_all_bytes(bulk_gbps), of_all_bytes(steady_gbps()), hot_gbps});
  const double peak = context_.ceilings->best_gflops();
  const double floor_us =
      std::max(double(spec_.floor_bytes()) / gbps * 1e-3, peak > 0 ? double(spec_.flops) / peak * 1e-3 : 0);

  for (Contender& c : cases) {
    CaseRecord& r = c.record;
    r.floor_us = floor_us;
    r.reachable_us = reachable.median;
    r.ceiling_gbps = gbps;
    r.encode_us = summarize(c.encode_us).median;
    r.submit_us = summarize(c.submit_us).median;
    r.wait_us = summarize(c.wait_us).median;
    r.measured_at = std::time(nullptr);
    r.head_to_head_us = levelled_turns(c);
    if (r.outcome == Outcome::pass) judge_times(c);
    if (std::count(r.disturbed.begin(), r.disturbed.end(), uint8_t(1)) * 2 > int64_t(r.disturbed.size()))
      r.tags.push_back("disturbed");
  }
  std::vector<CaseRecord> records;
  for (Contender& c : cases) records.push_back(std::move(c.record));
  return records;
}

}  // namespace assay
