// Reading a trace with what a person should see meanwhile: bad lines where they occur, progress on a terminal.
#pragma once
#include <cstdio>
#include <memory>
#include <string>

#include "analysis/accounting.h"
#include "analysis/shapes.h"
#include "trace/reader.h"

namespace assay {

/// All that is counted of one trace.
struct TraceInput {
  StringTable strings;
  ClassicCounts counts;
  ShapeCounts shapes;
  TimeAccounting accounting;
  ReadTotals totals;
  std::string head;  // the first bytes, unpacked

  /// What `accounting` comes to; call it once.
  Accounts finish_accounts();
  /// Tokens as `options` says, else as many as the command buffers of step outputs or the account of time tell.
  ShapeReport shape_report(const Accounts& accounts, ShapeOptions options) const;
};

/// That no event was found in `input`, and what it looks like; "" if there is one.
std::string no_event_message(const std::string& trace, const TraceInput& input);

/// Lines that are no JSON are named on `not_json`, those of a wrong shape on stderr; `classic_alone`: nothing
/// beside `counts` is counted. `last` gets each batch when all others have.
void read_trace_input(const std::string& trace, std::unique_ptr<ByteSource> bytes, TraceInput& to, std::FILE* not_json,
                      bool classic_alone = false, EventConsumer* last = nullptr);

/// The shapes of a trace as the text of a workload file; bad lines on stderr. Error if it ends early or holds no shape.
std::string workload_of_trace(const std::string& trace, const ShapeOptions& options);

}  // namespace assay
