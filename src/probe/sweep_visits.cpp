// The visits to the specs of a sweep: the first one to each, and the later ones among its contenders.
#include <algorithm>
#include <cmath>

#include "base/memory.h"
#include "base/stages.h"
#include "measure/batches.h"
#include "measure/measuring_lock.h"
#include "measure/ranking_samples.h"
#include "measure/visits.h"
#include "probe/sweep.h"

namespace assay {
namespace {

constexpr int64_t kFootprintsLeft = 8;  // memory beside what is kept: else it is made again

/// Out of the arenas when a visit is over, and away unless it is wanted again.
class Stay {
 public:
  Stay(std::unique_ptr<ProvedSpec>& proved, bool keep) : proved_(proved), keep_(keep) {}
  ~Stay() {
    if (keep_)
      proved_->leave();
    else
      proved_.reset();
  }
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;

 private:
  std::unique_ptr<ProvedSpec>& proved_;
  const bool keep_;
};

}  // namespace

/// The rounds of some of a spec's cases. What is right is computed at the first visit, and kept for later ones.
std::vector<CaseRecord> Sweep::rounds_of(SpecState& state, const std::vector<CaseToRun>& cases, RoundsContext context,
                                         bool keep) {
  std::optional<InStage> stage(std::in_place, Stage::answers);
  if (state.proved) {
    state.proved->come_back();
  } else {
    std::vector<Accuracy> classes;
    for (const Case& c : state.cases) classes.push_back(c.planned.variant->accuracy);
    state.proved = std::make_unique<ProvedSpec>(state.spec, arenas_, cold_footprint(), classes);
  }
  stage.reset();
  const Stay stay(state.proved, keep && memory_room().bytes > kFootprintsLeft * cold_footprint());
  context.proved = state.proved.get();
  return run_in_batches(state.spec, cases, context);
}

/// Whether this run measured it and it was not let go.
bool Sweep::contends(const Case& c) {
  return c.measured_now && (c.record->outcome == Outcome::pass || c.record->outcome == Outcome::noisy) &&
         !c.record->head_to_head_us.empty() && !c.record->has_tag(kAbandonedTag);
}

std::vector<VisitedCase> Sweep::visited(const SpecState& state) {
  std::vector<VisitedCase> cases;
  for (const Case& c : state.cases)
    if (contends(c)) cases.push_back({c.record->accuracy, summarize(ranking_samples(*c.record).device_us), c.visit_us});
  return cases;
}

/// Whether a spec needs this visit no more, counted from 0.
bool Sweep::is_decided(const SpecState& state, int visit) const {
  const auto is_noisy = [](const Case& c) { return contends(c) && c.record->outcome == Outcome::noisy; };
  return visit >= options_.effort.least_visits && std::none_of(state.cases.begin(), state.cases.end(), is_noisy) &&
         visits_agree(visited(state));
}

/// The contenders of a spec meet again, later, when the machine may be in another state; at first all, then those that
/// may yet be the best.
void Sweep::revisit(SpecState& state, int visit) {
  const std::vector<VisitedCase> before = visited(state);
  std::vector<CaseToRun> cases;
  std::vector<CaseRecord*> records;
  std::vector<Case*> targets;
  size_t next = 0;
  for (Case& c : state.cases) {
    if (!contends(c)) continue;
    const VisitedCase& so_far = before[next++];
    if (visit >= options_.effort.least_visits && c.record->outcome == Outcome::pass && !may_be_best(so_far, before))
      continue;
    cases.push_back({c.planned.variant, built(*c.planned.variant), c.key});
    records.push_back(&*c.record);
    targets.push_back(&c);
  }
  if (cases.size() < 2) return;
  RoundsContext context = rounds_context(state);
  context.on_case = nullptr;
  context.effort.screen_ratio = context.effort.contender_ratio = HUGE_VAL;  // they have been chosen
  std::vector<CaseRecord> later = rounds_of(state, cases, context, visit + 1 < options_.effort.visits);
  for (size_t i = 0; i < later.size(); ++i) note_visit(*targets[i], later[i], visit);
  keep_visit(records, std::move(later));
}

void Sweep::keep_visit(std::vector<CaseRecord*>& records, std::vector<CaseRecord> later) {
  std::erase_if(later, [](const CaseRecord& record) {
    return record.outcome == Outcome::device_limit;
  });  // others took memory meanwhile
  merge_visit(records, later);
  const InStage stage(Stage::store);
  for (const CaseRecord* record : records) store_.put(*record);
}

void Sweep::note_visit(Case& c, const CaseRecord& record, int visit) {
  const std::vector<double> turns = finite_samples(record.head_to_head_us);
  c.visit_us.resize(size_t(visit), NAN);
  c.visit_us.push_back(turns.empty() ? NAN : summarize(turns).median);
}

void Sweep::revisit_contested(MeasuringLock& lock) {
  std::vector<SpecState*> contested;
  for (SpecState& state : specs_)
    if (std::count_if(state.cases.begin(), state.cases.end(), contends) > 1)
      contested.push_back(&state);
    else
      state.proved.reset();
  for (int visit = 1; visit < options_.effort.visits; ++visit) {
    std::erase_if(contested, [&](SpecState* state) {
      if (!is_decided(*state, visit)) return false;
      state->proved.reset();
      return true;
    });
    for (size_t i = 0; i < contested.size(); ++i) {
      lock.release();
      if (interrupted() || !acquire(lock)) return;
      if (events_.on_revisit) events_.on_revisit(visit, contested[i]->spec, i + 1, contested.size());
      revisit(*contested[i], visit);
    }
  }
}

/// What the visits together put at the front, though no single one did, is proved whole; so is who comes to the front
/// in its place if it is wrong.
void Sweep::prove_crowned(MeasuringLock& lock) {
  for (SpecState& state : specs_) {
    if (std::none_of(state.cases.begin(), state.cases.end(), [](const Case& c) { return c.measured_now; })) continue;
    std::set<std::string> tried;
    for (;;) {
      const std::set<std::string> crowned = crowned_in_part(state);
      std::vector<Case*> targets;
      for (Case& c : state.cases)
        if (const std::string id = c.planned.variant->id(); crowned.count(id) && tried.insert(id).second)
          targets.push_back(&c);
      if (targets.empty()) break;
      lock.release();
      if (interrupted() || !acquire(lock)) return;
      prove(state, targets);
    }
  }
}

/// A visit for the sake of its checks. Its times are left out: who meets no other says nothing about a rank.
void Sweep::prove(SpecState& state, const std::vector<Case*>& targets) {
  std::vector<CaseToRun> cases;
  std::vector<CaseRecord*> records;
  for (Case* c : targets) {
    cases.push_back({c->planned.variant, built(*c->planned.variant), c->key});
    records.push_back(&*c->record);
  }
  RoundsContext context = rounds_context(state);
  context.on_case = nullptr;
  context.special_values = context.effort.proves_all = true;
  context.effort.rounds = 0;
  context.effort.screen_ratio = HUGE_VAL;
  std::vector<CaseRecord> later = rounds_of(state, cases, context, /*keep=*/false);
  for (CaseRecord& record : later) {
    for (std::vector<double>* times : {&record.device_us, &record.host_us, &record.head_to_head_us}) times->clear();
    record.disturbed.clear(), std::erase(record.tags, "disturbed");
    record.floor_us = record.reachable_us = record.ceiling_gbps = 0;
  }
  keep_visit(records, std::move(later));
}

}  // namespace assay
