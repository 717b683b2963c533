// Ranking of one spec's records.
#include "probe/ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "stats/comparison.h"

namespace assay {
namespace {

bool ranked(const RankedCase& candidate) {
  return candidate.record.outcome == Outcome::pass && candidate.device.count > 0 && candidate.device.median > 0;
}

double ratio_or_zero(double numerator, double denominator) {
  return denominator > 0 && std::isfinite(numerator / denominator) ? numerator / denominator : 0;
}

RankedCase measure(CaseRecord record) {
  RankedCase result;
  RankingSamples samples = ranking_samples(record);
  result.device = summarize(samples.device_us);
  result.host = summarize(samples.host_us);
  result.all_samples = samples.all;
  result.gbps = ratio_or_zero(double(record.bytes), result.device.median * 1e3);
  result.percent_of_ceiling = 100 * ratio_or_zero(result.gbps, record.ceiling_gbps);
  result.percent_of_floor = 100 * ratio_or_zero(record.floor_us, result.device.median);
  result.record = std::move(record);
  return result;
}

/// A host gap: as fast on the device as the best, yet clearly sooner back on the host.
bool closes_host_gap(const RankedCase& candidate, const RankedCase& best, const RankingOptions& options) {
  return candidate.host.count > 0 && best.host.count > 0 &&
         candidate.device.median - best.device.median <= options.host_gap_device_ms * 1e3 &&
         best.host.median - candidate.host.median >= options.host_gap_host_ms * 1e3;
}

/// The proved case with the best device time; an abandoned one only where all of them are.
template <typename Wanted>
int fastest(const RankedSpec& spec, const Wanted& wanted) {
  int best = -1;
  const auto abandoned = [](const RankedCase& candidate) { return candidate.record.has_tag(kAbandonedTag); };
  for (size_t i = 0; i < spec.cases.size(); ++i) {
    const RankedCase& candidate = spec.cases[i];
    if (!ranked(candidate) || !wanted(candidate)) continue;
    if (best < 0 || std::pair(abandoned(candidate), candidate.device.median) <
                        std::pair(abandoned(spec.cases[size_t(best)]), spec.cases[size_t(best)].device.median))
      best = int(i);
  }
  return best;
}

void tag_best_of_classes(RankedSpec& spec) {
  int classes = 0;
  for (size_t i = 0; i < kAccuracies; ++i) {
    spec.best_of_class[i] =
        fastest(spec, [i](const RankedCase& candidate) { return size_t(candidate.record.accuracy) == i; });
    classes += spec.best_of_class[i] >= 0;
  }
  if (classes < 2) return;
  for (const int best : spec.best_of_class)
    if (best >= 0) spec.cases[size_t(best)].best_of_class = true;
}

void tag_best(RankedSpec& spec, const RankingOptions& options) {
  tag_best_of_classes(spec);
  spec.best = fastest(spec, [](const RankedCase&) { return true; });
  RankedCase* best_host = nullptr;
  for (RankedCase& candidate : spec.cases) {
    if (!ranked(candidate)) continue;
    if (candidate.host.count > 0 && (!best_host || candidate.host.median < best_host->host.median))
      best_host = &candidate;
  }
  if (best_host) best_host->best_host = true;
  if (spec.best < 0) return;
  RankedCase& best = spec.cases[size_t(spec.best)];
  const bool contenders = !best.record.has_tag(kAbandonedTag);
  best.best_device = best.in_tie_set = true;
  for (RankedCase& candidate : spec.cases) {
    if (&candidate == &best || !ranked(candidate)) continue;
    candidate.in_tie_set = !(contenders && candidate.record.has_tag(kAbandonedTag)) &&
                           tied(best.device, candidate.device, options.tie_limit);
    candidate.host_gap = closes_host_gap(candidate, best, options);
  }
}

/// Cases that crashed or never ran were not judged; when all that were judged are wrong, the judge is the first
/// suspect.
std::string quarantine_reason(const RankedSpec& spec) {
  size_t judged = 0, wrong = 0;
  for (const RankedCase& candidate : spec.cases) {
    const Outcome outcome = candidate.record.outcome;
    wrong += outcome == Outcome::wrong;
    judged += outcome == Outcome::wrong || outcome == Outcome::pass || outcome == Outcome::impossible ||
              outcome == Outcome::noisy;
  }
  if (judged < 2 || wrong < judged) return "";
  return fmt::format("suspect the reference or the harness: all {} variants fail validation", wrong);
}

/// Cases of one sweep have one floor, so who is faster is nearer to it. One that is slower than the best, and yet was
/// nearer to a floor of its own, was measured when memory was slower: nobody knows which of the two is faster.
std::string measured_apart(const RankedSpec& spec, double tie_limit) {
  if (spec.best < 0) return "";
  const RankedCase& best = spec.cases[size_t(spec.best)];
  const RankedCase* nearest = &best;
  for (const RankedCase& candidate : spec.cases)
    if (ranked(candidate) && !candidate.record.has_tag(kAbandonedTag) &&
        candidate.percent_of_floor > nearest->percent_of_floor)
      nearest = &candidate;
  const bool is_nearer = nearest->percent_of_floor > best.percent_of_floor * (1 + tie_limit);
  if (!is_nearer || !(best.percent_of_floor > 0)) return "";
  return fmt::format(
      "the best reached {:.0f} % of a floor of {:.1f} us, {} another time {:.0f} % of {:.1f} us; "
      "--fresh measures both at once",
      best.percent_of_floor, best.record.floor_us, nearest->record.variant, nearest->percent_of_floor,
      nearest->record.floor_us);
}

double least_positive(const std::vector<RankedCase>& cases, double CaseRecord::*member) {
  double least = 0;
  for (const RankedCase& candidate : cases) {
    const double value = candidate.record.*member;
    if (value > 0 && std::isfinite(value) && (least == 0 || value < least)) least = value;
  }
  return least;
}

}  // namespace

RankedSpec rank_spec(const Spec& spec, std::vector<CaseRecord> records,
                     const std::vector<std::string>& baseline_variants, const RankingOptions& options) {
  RankedSpec result;
  result.spec_line = spec.line();
  result.math_line = spec.math_line();
  std::stable_sort(records.begin(), records.end(),
                   [](const CaseRecord& a, const CaseRecord& b) { return a.variant < b.variant; });
  for (CaseRecord& record : records) {
    RankedCase& added = result.cases.emplace_back(measure(std::move(record)));
    added.baseline =
        std::find(baseline_variants.begin(), baseline_variants.end(), added.record.variant) != baseline_variants.end();
  }
  tag_best(result, options);
  result.quarantine = quarantine_reason(result);
  result.apart = measured_apart(result, options.tie_limit);
  result.floor_us = least_positive(result.cases, &CaseRecord::floor_us);
  result.reachable_us = least_positive(result.cases, &CaseRecord::reachable_us);
  if (result.best >= 0) {  // the ceilings that stood around the best case are the ones to hold it against
    const CaseRecord& best = result.cases[size_t(result.best)].record;
    if (best.floor_us > 0 && std::isfinite(best.floor_us)) result.floor_us = best.floor_us;
    if (best.reachable_us > 0 && std::isfinite(best.reachable_us)) result.reachable_us = best.reachable_us;
    // What a proved kernel did is reachable, whatever the readers missed.
    const double proved_us = result.cases[size_t(result.best)].device.median;
    if (proved_us > 0) result.reachable_us = std::min(result.reachable_us, proved_us);
  }
  return result;
}

double regret(const std::string& winner, const RankedSpec& other) {
  if (other.best < 0) return -1;
  for (const RankedCase& candidate : other.cases) {
    if (candidate.record.variant != winner || !ranked(candidate)) continue;
    if (candidate.in_tie_set) return 0;
    return std::max(0.0, candidate.device.median / other.cases[size_t(other.best)].device.median - 1);
  }
  return -1;
}

}  // namespace assay
