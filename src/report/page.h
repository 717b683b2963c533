// The report page: one HTML file with its data as JSON, made of the rows that all other forms show.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "analysis/shapes.h"
#include "analysis/timeline.h"
#include "base/json_reader.h"
#include "report/store_sections.h"
#include "trace/reader.h"

namespace assay {

struct PageOptions {
  size_t most_samples = 250'000;  // of all sections together; more are binned, each case by itself
};

/// Everything that one trace says, as analyze --json has it, and the slices of one token.
Json page_trace(const std::string& trace, const ReadTotals& totals, const ClassicCounts& counts,
                const StringTable& strings, const Accounts& accounts, const ShapeReport& shapes,
                const Timeline& timeline);

/// Stores and JSON reports, in the order in which they were named; those after the first are compared with it.
Json page_sections(const std::vector<StoreSections>& sources, const PageOptions& options);

/// Frameworks' times on ops: of one store, a row each; null where it has none.
Json page_frameworks(const StoreSections& source);

/// The whole file. `data` has "made", "sources", "traces", "tables", "opbench"; docs/report.md names the fields.
std::string html_page(const Json& data);

/// The template with the library, the style and the scripts in it, from the build.
std::string_view page_template();

}  // namespace assay
