// What an analysis of a trace found beyond the classic report, as text; and its rows for CSV.
#pragma once
#include <string>

#include "report/table.h"
#include "trace/trace_diff.h"

namespace assay {

struct AnalysisTextOptions {
  size_t top = 20;  // rows of a table
  bool colour = false;
  size_t width = 0;  // of the terminal; 0: as wide as needed
};

/// The shapes, and in its notes the rules that completed them and what no rule completes.
Table shapes_table(const ShapeReport& report, const AnalysisTextOptions& options = {});
/// That table; "" without matmuls.
std::string shapes_text(const ShapeReport& report, const AnalysisTextOptions& options = {});

/// Counts of all verdicts, then SLOWER and FASTER rows, then names that one side lacks.
std::string diff_text(const TraceDiff& diff, const AnalysisTextOptions& options = {});

/// One row a name (event type, op, internal kernel) and one a shape and backend.
Table analysis_table(const std::string& trace, const ClassicCounts& counts, const StringTable& strings,
                     const ShapeReport& report);

/// One trace: the text's `sections` as they are, the shapes as a table, what `diff` says if there is one.
std::string analysis_markdown(const std::string& trace, const std::string& sections, const ShapeReport& shapes, const TraceDiff* diff,
                              const AnalysisTextOptions& options = {});

}  // namespace assay
