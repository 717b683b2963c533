// Pairs of visits.
#include "opbench/row_visits.h"

#include <algorithm>

#include "stats/summary.h"

namespace assay {

int samples_of_turn(double sample_us) { return int(std::clamp(kTurnUs / sample_us, 1.0, double(kMostSamplesOfTurn))); }

int visits_of_turn(double sample_us) {
  const int each = int(std::clamp(kVisitUs / sample_us, 1.0, double(kSamplesOfVisit)));
  return (samples_of_turn(sample_us) + each - 1) / each;
}

int samples_of_visit(int samples, int visit, int visits) {
  return samples * (visit + 1) / visits - samples * visit / visits;
}

Visit visit_of(int64_t number, const std::vector<double>& us, const std::vector<uint8_t>& disturbed) {
  std::vector<double> undisturbed;
  for (size_t i = 0; i < us.size(); ++i)
    if (i >= disturbed.size() || !disturbed[i]) undisturbed.push_back(us[i]);
  return {number, percentile(undisturbed.empty() ? us : undisturbed, 50)};
}

double moved_over_taken(const std::vector<Visit>& moved, const std::vector<Visit>& taken) {
  std::vector<double> ratios;
  for (auto mover = moved.begin(); const Visit& visit : taken) {
    while (mover != moved.end() && mover->number < visit.number) ++mover;
    if (mover != moved.end() && mover->number == visit.number && visit.us > 0) ratios.push_back(mover->us / visit.us);
  }
  return ratios.empty() ? 0 : percentile(ratios, 50);
}

}  // namespace assay
