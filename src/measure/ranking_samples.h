// Which of a record's samples say how fast a case is.
#pragma once
#include <span>
#include <vector>

#include "store/record.h"

namespace assay {

/// Launches of one turn share the machine's state of that moment: a turn is one observation, and fewer than these say
/// little.
inline constexpr size_t kEnoughTurns = 5;

/// The times that rank a case, in µs: the medians of its turns among the contenders where it had enough (and they are
/// asked for), else its launches without the disturbed ones if ten others are left. Host times are those of the
/// launches, brought to the level of the device times: host over device stays what it was in the launches.
struct RankingSamples {
  std::vector<double> device_us, host_us;
  bool all = false;  // disturbed launches had to be used
};
RankingSamples ranking_samples(const CaseRecord& record, bool head_to_head = true);

/// Those that are numbers: a store or a report that was damaged may hold others, which no statistic takes.
std::vector<double> finite_samples(std::span<const double> samples);

}  // namespace assay
