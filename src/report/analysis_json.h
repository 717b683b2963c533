// What an analysis of a trace found, as JSON: one function a section, joined by `assay analyze --json`.
#pragma once
#include <string>

#include "analysis/trace_diff.h"
#include "base/json_reader.h"
#include "trace/reader.h"

namespace assay {

/// A sum of µs: a number where it fits in 64 bits, else its digits as text.
Json microseconds_json(Int128 us);
Json to_json(const DurationSummary& summary);

Json to_json(const ReadTotals& totals);
/// The classic sections, whole: no limit and no filter applies.
Json classic_json(const ClassicCounts& counts, const StringTable& strings);
Json to_json(const ShapeReport& report);
Json to_json(const TraceDiff& diff);

/// The frame of all traces' reports, as one line.
std::string analysis_json(Json reports);

}  // namespace assay
