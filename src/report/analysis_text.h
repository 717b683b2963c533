// What an analysis of a trace found beyond the classic report, as text; and its rows for CSV.
#pragma once
#include <string>

#include "analysis/trace_diff.h"
#include "report/table.h"

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

/// Rates that no device reaches: how many, and which shape's is the highest; "" if there are none.
std::string implausible_rates(const ShapeReport& report);

/// The shapes with most to win, or, where that is not known, those that take most time; "" without matmuls.
std::string hot_shapes_text(const ShapeReport& report, const AnalysisTextOptions& options);

/// The verdict, the walls of tokens, kernel types, then names and shapes: counts, SLOWER and FASTER rows, what one side
/// lacks.
std::string diff_text(const TraceDiff& diff, const AnalysisTextOptions& options = {});

/// One row a name (event type, op, internal kernel) and one a shape and backend.
Table analysis_table(const std::string& trace, const ClassicCounts& counts, const StringTable& strings,
                     const ShapeReport& report);

/// One trace: the text's `sections` as they are, the shapes as a table, what `diff` says if there is one.
std::string analysis_markdown(const std::string& trace, const std::string& sections, const ShapeReport& shapes,
                              const TraceDiff* diff, const AnalysisTextOptions& options = {});

}  // namespace assay
