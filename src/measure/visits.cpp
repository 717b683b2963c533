// Several visits to one spec as one set of records.
#include "measure/visits.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "measure/ranking_samples.h"
#include "stats/summary.h"

namespace assay {
namespace {

constexpr double kNoisyWidth = 0.5;
constexpr double kAgree = 1.03, kNarrow = 0.05, kMayTie = 1.05;

CaseRecord* find(std::vector<CaseRecord*>& records, const CaseRecord& like) {
  const auto found =
      std::find_if(records.begin(), records.end(), [&](const CaseRecord* r) { return r->key == like.key; });
  return found == records.end() ? nullptr : *found;
}

double geometric_mean(double a, double b) { return a > 0 && b > 0 ? std::sqrt(a * b) : std::max(a, b); }

void append_scaled(std::vector<double>& to, const std::vector<double>& from, double factor) {
  for (const double value : from) to.push_back(value * factor);
}

void merge_errors(ErrorStats& to, const ErrorStats& from) {
  to.elements_checked += from.elements_checked;
  to.launches_checked += from.launches_checked;
  to.launches_scanned += from.launches_scanned;
  to.nan_count += from.nan_count;
  to.max_abs = std::max(to.max_abs, from.max_abs);
  to.max_rel = std::max(to.max_rel, from.max_rel);
  to.bound_used = std::max(to.bound_used, from.bound_used);
  to.nmse = std::max(to.nmse, from.nmse);
  if (from.worst_ratio <= to.worst_ratio) return;
  to.worst_ratio = from.worst_ratio;
  to.worst_index = from.worst_index;
  to.worst_value = from.worst_value;
  to.worst_reference = from.worst_reference;
}

void merge_case(CaseRecord& to, const CaseRecord& from, double to_factor, double from_factor) {
  for (double& value : to.head_to_head_us) value *= to_factor;
  append_scaled(to.head_to_head_us, from.head_to_head_us, from_factor);
  append_scaled(to.device_us, from.device_us, 1);
  append_scaled(to.host_us, from.host_us, 1);
  to.disturbed.insert(to.disturbed.end(), from.disturbed.begin(), from.disturbed.end());
  for (const std::string& tag : from.tags)
    if (std::find(to.tags.begin(), to.tags.end(), tag) == to.tags.end()) to.tags.push_back(tag);
  for (const std::string_view tag : {kSomeNumbersTag, kProvedInPartTag})
    if (!from.has_tag(tag)) std::erase(to.tags, std::string(tag));
  if (from.outcome != Outcome::pass && from.outcome != Outcome::noisy) {
    to.outcome = from.outcome;
    to.detail = from.detail;
  }
  judge_noise(to);
  merge_errors(to.errors, from.errors);
  to.case_us += from.case_us;
  to.check_us += from.check_us;
  to.floor_us = geometric_mean(to.floor_us, from.floor_us);
  to.reachable_us = geometric_mean(to.reachable_us, from.reachable_us);
  to.ceiling_gbps = geometric_mean(to.ceiling_gbps, from.ceiling_gbps);
  to.measured_at = std::max(to.measured_at, from.measured_at);
}

}  // namespace

bool visits_agree(const std::vector<VisitedCase>& cases) {
  for (const VisitedCase& of : cases) {
    const auto is_rival = [&](const VisitedCase& c) { return c.accuracy <= of.accuracy; };
    const VisitedCase* best = nullptr;  // the first one where several tie
    for (const VisitedCase& c : cases)
      if (is_rival(c) && (!best || c.merged.median < best->merged.median)) best = &c;
    if (!converged(best->merged, kNarrow)) return false;
    for (size_t visit = 0; visit < best->visit_us.size(); ++visit)
      for (const VisitedCase& c : cases)
        if (is_rival(c) && visit < c.visit_us.size() && best->visit_us[visit] > kAgree * c.visit_us[visit])
          return false;
  }
  return true;
}

bool may_be_best(const VisitedCase& one, const std::vector<VisitedCase>& cases) {
  return std::all_of(cases.begin(), cases.end(), [&](const VisitedCase& other) {
    return other.accuracy > one.accuracy || one.merged.ci_low <= other.merged.ci_high * kMayTie;
  });
}

bool is_noisy(const Summary& turns) {
  return turns.count >= kEnoughTurns && turns.ci_high - turns.ci_low > kNoisyWidth * turns.median;
}

void judge_noise(CaseRecord& record) {
  if (record.outcome != Outcome::pass && record.outcome != Outcome::noisy) return;
  const Summary s = summarize(ranking_samples(record, /*head_to_head=*/true).device_us);
  const bool noisy = is_noisy(s);
  if (noisy)
    record.detail =
        fmt::format("the median lies between {:.4g} and {:.4g} us after {} launches; run again on a quieter machine",
                    s.ci_low, s.ci_high, record.device_us.size());
  if (!noisy && record.outcome == Outcome::noisy) record.detail.clear();
  record.outcome = noisy ? Outcome::noisy : Outcome::pass;
}

double merge_visit(std::vector<CaseRecord*>& first, const std::vector<CaseRecord>& later) {
  double log_ratio = 0;  // of the later visit's level over the first's, over all that took turns in both
  int common = 0;
  for (const CaseRecord& record : later) {
    const CaseRecord* earlier = find(first, record);
    if (!earlier || earlier->head_to_head_us.empty() || record.head_to_head_us.empty()) continue;
    const auto level = [](const CaseRecord& of) { return summarize(finite_samples(of.head_to_head_us)).median; };
    log_ratio += std::log(level(record) / level(*earlier));
    ++common;
  }
  const double factor = common > 0 && std::isfinite(log_ratio) ? std::exp(log_ratio / common / 2) : 1;
  for (const CaseRecord& record : later)
    if (CaseRecord* earlier = find(first, record)) merge_case(*earlier, record, factor, 1 / factor);
  return 1 / factor;
}

}  // namespace assay
