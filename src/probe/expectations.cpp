// Verdicts on what kernels got.
#include "probe/expectations.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/joined.h"
#include "base/json.h"
#include "stats/comparison.h"

namespace assay {
namespace {

const RankedCase* find(const RankedSpec& ranked, const std::string& variant) {
  for (const RankedCase& c : ranked.cases)
    if (c.record.variant == variant) return &c;
  return nullptr;
}

struct Verdict {
  Desert desert = Desert::exact;
  std::string problem;
};

/// A case with another outcome than it should have. A wrong kernel that passes got away, however busy the machine is,
/// if all numbers were tried that its op looks up. What only times can show, or what the lack of time or a watchdog cut
/// short, may be shown by another attempt.
Verdict judge_outcome(Outcome deserved, const CaseRecord& record) {
  const std::string problem = fmt::format("should be {}", outcome_name(deserved));
  const Outcome outcome = record.outcome;
  const bool unproved = outcome == Outcome::pass || outcome == Outcome::noisy;
  if (deserved == Outcome::pass && outcome == Outcome::noisy) return {Desert::unranked, problem};
  if (outcome == Outcome::timed_out || (deserved == Outcome::impossible && unproved)) return {Desert::open, problem};
  if (unproved && record.has_tag(kSomeNumbersTag)) return {Desert::open, problem + ", and too little time was left"};
  return {Desert::missed, problem};
}

Verdict judge_tie(const Expectation& expected, const RankedCase& one, const RankedSpec& ranked) {
  const RankedCase* twin = find(ranked, expected.ties_with);
  if (!twin) return {Desert::open, "its twin was not measured"};
  if (tied(one.device, twin->device)) return {};
  const std::string problem = fmt::format("should tie with {}: {:.3f} and {:.3f} us", expected.ties_with,
                                          one.device.median, twin->device.median);
  return {twin->record.outcome == Outcome::noisy ? Desert::unranked : Desert::open, problem};
}

Verdict judge(const Expectation& expected, const RankedSpec& ranked) {
  const RankedCase* found = find(ranked, expected.variant);
  if (!found) return {Desert::missed, "was not measured"};
  const CaseRecord& record = found->record;
  if (record.outcome != Outcome::pass && (found->best_device || found->best_host || found->in_tie_set))
    return {Desert::missed, "carries a best tag"};
  if (record.outcome != expected.outcome) return judge_outcome(expected.outcome, record);
  if (!expected.tag.empty() && !record.has_tag(expected.tag)) return {Desert::open, "should be tagged " + expected.tag};
  if (expected.never_best && found->best_device) return {Desert::open, "must not be the best"};
  return expected.ties_with.empty() ? Verdict() : judge_tie(expected, *found, ranked);
}

void take(Trial& trial, const Verdict& verdict, const RankedSpec& ranked) {
  if (trial.desert == Desert::missed || (trial.desert == Desert::exact && verdict.desert != Desert::missed)) return;
  trial.desert = verdict.desert;
  trial.problem = verdict.problem;
  const RankedCase* found = find(ranked, trial.expected.variant);
  if (!found) return;
  const CaseRecord& record = found->record;
  trial.outcome = std::string(outcome_name(record.outcome));
  trial.detail = record.detail.empty() ? joined(record.tags, ", ") : record.detail;
}

}  // namespace

Expectations load_expectations(const std::string& file, bool can_overlap, int threads) {
  const Json json = parse_json(read_file(file), file);
  const JsonReader in(json, file);
  in.only_keys({"schema", "specs", "expected"});
  Expectations result;
  for (const auto& [name, line] : in.at("specs").members())
    result.specs.emplace(name, parse_spec(line.string(), file + " at " + line.pointer()));
  for (const auto& [variant, entry] : in.at("expected").members()) {
    entry.only_keys({"sin", "control", "specs", "outcome", "tag", "never_best", "ties_with", "chained", "threads"});
    const bool is_chained = entry.boolean_or("chained", false);
    if (is_chained && !can_overlap) continue;
    if (entry.has("threads") && threads < entry.at("threads").integer()) continue;
    for (std::string spec : entry.at("specs").strings()) {
      if (!result.specs.count(spec)) entry.error("no spec \"" + spec + "\"");
      if (is_chained) {
        const Spec of_name = result.specs.at(spec);
        result.specs.emplace(spec += kChained, of_name);
        result.chained.insert(spec);
      }
      result.all.push_back({variant, entry.has("sin") ? entry.at("sin").string() : entry.at("control").string(), spec,
                            parse_outcome(entry.at("outcome").string()), entry.string_or("tag", ""),
                            entry.string_or("ties_with", ""), entry.boolean_or("never_best", false)});
    }
  }
  return result;
}

Trials::Trials(const Expectations& expectations) {
  for (const Expectation& expected : expectations.all) trials_.emplace_back().expected = expected;
}

std::vector<std::string> Trials::needed(const std::string& spec) const {
  const auto is_open = [&](const Trial& t) { return t.expected.spec == spec && !t.is_settled(); };
  std::vector<std::string> variants;
  if (std::none_of(trials_.begin(), trials_.end(), is_open)) return variants;
  for (const Trial& t : trials_)
    if (is_open(t) || (t.expected.spec == spec && t.expected.outcome == Outcome::pass))
      variants.push_back(t.expected.variant);
  return variants;
}

void Trials::add_attempt(const std::string& spec, const RankedSpec& ranked) {
  const std::vector<std::string> asked = needed(spec);
  for (Trial& trial : trials_)
    if (trial.expected.spec == spec && std::count(asked.begin(), asked.end(), trial.expected.variant) > 0)
      take(trial, judge(trial.expected, ranked), ranked);
}

}  // namespace assay
