// A sweep step by step, for who decides himself what is measured next.
#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "measure/measuring_lock.h"
#include "measure/visits.h"
#include "probe/sweep.h"

namespace assay {

const CaseRecord* Sweep::record(size_t spec, size_t index) const {
  const std::optional<CaseRecord>& record = specs_[spec].cases[index].record;
  return record ? &*record : nullptr;
}

std::string Sweep::plan_identity() const {
  std::string text;
  for (const SpecState& state : specs_) {
    text += state.spec.math_line() + "\n";
    for (const Case& c : state.cases) text += c.key.hash + "\n";
  }
  return hash_hex(text);
}

bool Sweep::begin() {
  store_.put(EnvironmentRecord{environment_id_, options_.environment});
  compile(ceiling_kernels_.readers);
  compile(ceiling_kernels_.peaks);
  MeasuringLock lock(device_.physical());
  if (interrupted() || !acquire(lock)) return false;
  ceilings();
  // All of them, measured or not: those that were meet newcomers again.
  for (SpecState& state : specs_) reserve_inputs(state, cold_footprint());
  if (interrupted()) return false;
  choose_readers(cold_footprint());
  return !interrupted();
}

bool Sweep::play(size_t spec, const std::vector<size_t>& which, const Effort& effort) {
  SpecState& state = specs_[spec];
  std::vector<const Variant*> variants;
  for (const size_t i : which) variants.push_back(state.cases[i].planned.variant);
  compile(variants);
  MeasuringLock lock(device_.physical());
  if (interrupted() || !acquire(lock)) return false;
  std::vector<CaseToRun> cases;
  std::vector<Case*> targets;
  for (const size_t i : which) {
    Case& c = state.cases[i];
    if (!c.record && !is_to_measure(state, c)) continue;
    cases.push_back({c.planned.variant, built(*c.planned.variant), c.key});
    targets.push_back(&c);
  }
  RoundsContext context = rounds_context(state);
  context.effort = effort;
  const auto is_new = [](const Case* c) { return !c->record; };
  context.special_values = std::any_of(targets.begin(), targets.end(), is_new);
  std::set<const Variant*> met;  // before: their meeting again is no news
  for (const Case* c : targets)
    if (!is_new(c)) met.insert(c->planned.variant);
  context.on_case = [&](const Variant& variant) {
    if (events_.on_case && !met.count(&variant)) events_.on_case(variant, state.spec);
  };
  if (cases.empty() || !state.has_inputs) return true;
  std::vector<CaseRecord> records;
  try {
    records = rounds_of(state, cases, context, /*keep=*/true);
  } catch (const Error& e) {
    if (interrupted()) return false;
    state.quarantine = e.what();  // this spec's trouble: the search goes on
    note(fmt::format("quarantined {}: {}", state.spec.short_name(), e.what()));
    for (Case* c : targets)
      if (is_new(c)) {
        CaseRecord record = empty_record(c->key, state.spec, *c->planned.variant, device_, options_.mode);
        record.outcome = Outcome::launch_failed, record.detail = e.what();
        record.tags.emplace_back(kRetryTag);
        keep(*c, std::move(record));
      }
    return true;
  }
  if (records.empty()) return false;
  std::vector<CaseRecord*> known;
  std::vector<CaseRecord> again;
  for (size_t i = 0; i < targets.size(); ++i)
    if (!is_new(targets[i]) && records[i].outcome != Outcome::device_limit) {  // others took memory meanwhile
      known.push_back(&*targets[i]->record);
      again.push_back(records[i]);
    }
  const double level = merge_visit(known, again);
  for (size_t i = 0; i < known.size(); ++i)  // who was let go once and has come through now is back
    if (!again[i].has_tag(kAbandonedTag)) std::erase(known[i]->tags, std::string(kAbandonedTag));
  for (size_t i = 0; i < targets.size(); ++i)
    if (is_new(targets[i])) {
      for (double& us : records[i].head_to_head_us) us *= level;
      keep(*targets[i], std::move(records[i]));
    }
  for (const CaseRecord* record : known) store_.put(*record);
  return true;
}

}  // namespace assay
