// Which of a record's samples say how fast a case is.
#include "measure/ranking_samples.h"

#include <cmath>
#include <span>

#include "stats/summary.h"

namespace assay {
std::vector<double> finite_samples(std::span<const double> samples) {
  std::vector<double> kept;
  for (const double sample : samples)
    if (std::isfinite(sample)) kept.push_back(sample);
  return kept;
}

namespace {

constexpr size_t kEnoughUnmarked = 10;

/// The samples whose launch has no mark, if there are enough of them; else all, and `all` says that marked ones are
/// among them.
std::vector<double> unmarked(std::span<const double> samples, std::span<const uint8_t> marks, bool& all) {
  std::vector<double> kept;
  for (size_t i = 0; i < samples.size(); ++i)
    if (std::isfinite(samples[i]) && (i >= marks.size() || !marks[i])) kept.push_back(samples[i]);
  std::vector<double> every = finite_samples(samples);
  if (kept.size() >= kEnoughUnmarked || kept.size() == every.size()) return kept;
  all = true;
  return every;
}

}  // namespace

RankingSamples ranking_samples(const CaseRecord& record, bool head_to_head) {
  RankingSamples result;
  bool host_all = false;
  result.host_us = unmarked(record.host_us, record.disturbed, host_all);
  if (head_to_head) result.device_us = finite_samples(record.head_to_head_us);
  bool launches_all = false;
  std::vector<double> launches = unmarked(record.device_us, record.disturbed, launches_all);
  if (result.device_us.size() < kEnoughTurns) {
    result.device_us = std::move(launches);
    result.all = launches_all;
    return result;
  }
  // Turns are at the rounds' common level, launches at that of their moment.
  const double of_turns = summarize(result.device_us).median, of_launches = summarize(launches).median;
  if (of_turns > 0 && of_launches > 0)
    for (double& host : result.host_us) host = host / of_launches * of_turns;
  return result;
}

}  // namespace assay
