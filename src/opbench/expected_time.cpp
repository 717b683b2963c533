// Time of a cell: its calls, and comparing what they gave. Fitted to a run of all rows on two cores of a Zen 4.
#include "opbench/expected_time.h"

#include <algorithm>

#include "opbench/row_rounds.h"
#include "opbench/row_visits.h"

namespace assay {
namespace {

constexpr double kBytesASecond = 20e9, kFlopsASecond = 100e9, kOfOthers = 1.5;  // of a call
constexpr double kCallsBefore = 2;
constexpr double kVisitSeconds = 0.3e-3;                       // until a process that was stopped answers
constexpr double kPoisonedASecond = 5e9, kDrawnASecond = 1e9;  // bytes
// Of a reference in float64. Large products are compared by sums, which read their operands.
constexpr double kMovedASecond = 20e9, kReadASecond = 3e9, kEvaluatedASecond = 4e9;
constexpr double kMultipliedASecond = 2e9, kLargeProductFlops = 6e8, kProjectedASecond = 0.6e9;

double call_seconds(const OperationRow& row, bool is_own) {
  const double seconds = double(row.bytes_read + row.bytes_written) / kBytesASecond + double(row.flops) / kFlopsASecond;
  return is_own ? seconds : kOfOthers * seconds;
}

/// All of one output.
double check_seconds(const OperationRow& row) {
  const double bytes = double(row.bytes_read + row.bytes_written), flops = double(row.flops);
  switch (row.operation) {
    case Operation::concat:
    case Operation::gather:
      return bytes / kMovedASecond;
    case Operation::matmul:
    case Operation::linear:
    case Operation::conv1d:
    case Operation::conv2d:
      if (flops > kLargeProductFlops) return bytes / kProjectedASecond;
      [[fallthrough]];
    case Operation::attention:
      return flops / kMultipliedASecond;
    default:
      return bytes / kReadASecond + flops / kEvaluatedASecond;
  }
}

}  // namespace

double expected_cell_seconds(const OperationRow& row, const CellEffort& effort) {
  const double call = call_seconds(row, effort.is_own);
  if (effort.as_seed) return kCallsBefore * call + kSeedSamples * kSeedCalls * call + 2 * check_seconds(row);
  const int turns = call * 1e6 < kLongUs ? effort.turns : std::min(effort.turns, kTurnsOfLong);
  const int visits = visits_of_turn(call * 1e6);
  const double warm_up = call * 1e6 < kVisitUs ? visits * call : call * 1e6 < kWarmUpUs ? call : 0;
  const double samples = samples_of_turn(call * 1e6) * call + visits * kVisitSeconds;
  const double poison = double(row.output.bytes()) / kPoisonedASecond;
  const double share = std::min(1.0, kCheckedElements / double(row.output.elements()));
  const double checks = effort.is_proved ? (1 + turns * share) * check_seconds(row) : 0;
  return kCallsBefore * call + turns * (warm_up + samples + poison) + checks;
}

double expected_memory_seconds(const OperationRow& row) {
  double bytes = double(row.output.bytes());
  for (const OperationOperand& operand : row.inputs) bytes += double(operand.bytes());
  return bytes / kDrawnASecond;
}

}  // namespace assay
