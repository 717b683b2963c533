// Every name and shape of a trace as a row, for CSV.
#include <fmt/format.h>

#include <limits>

#include "report/analysis_text.h"

namespace assay {
namespace {

using Format = Column::Format;
constexpr double kUnknown =
    std::numeric_limits<double>::quiet_NaN();  // how a table's number says that nothing is known

double known(double value) { return value > 0 ? value : kUnknown; }

}  // namespace

Table analysis_table(const std::string& trace, const ClassicCounts& counts, const StringTable& strings,
                     const ShapeReport& report) {
  Table table;
  for (const char* key : {"trace", "kind", "name", "backend", "spec_line"})
    table.columns.push_back({key, key, Format::text, 1, 0});
  for (const char* key : {"count", "total_ms", "avg_ms", "min_ms", "max_ms", "p95_ms", "p99_ms", "gpu_count", "time_us",
                          "bytes", "flops", "gbps", "gflops", "percent_of_ceiling", "to_win_ms", "calls_per_token"})
    table.columns.push_back({key, key, Format::fixed3, 1, 0});
  const auto add = [&](const char* kind, std::string name, const std::string& backend, const std::string& spec_line,
                       const DurationSummary& s, std::vector<Cell> more) {
    std::vector<Cell> row = {trace, std::string(kind), std::move(name), backend, spec_line, double(s.count)};
    const double values[] = {s.total_ms, s.avg_ms, s.min_ms, s.max_ms, s.p95_ms, s.p99_ms};
    for (const double value : values) row.emplace_back(s.count ? value : kUnknown);
    more.resize(table.columns.size() - row.size());
    row.insert(row.end(), more.begin(), more.end());
    table.rows.push_back(std::move(row));
  };
  const auto text = [&](StringId id) { return std::string(strings.text(id)); };
  for (const ClassicCounts::Type& type : counts.types()) {
    add("event type", text(type.name), "", "", summarize(type.durations), {});
    table.rows.back()[5] = double(type.events);
  }
  for (const ClassicCounts::Internal& internal : counts.internals())
    add("internal", text(internal.parent) + " :: " + text(internal.kernel), "", "", summarize(internal.durations), {});
  for (const ClassicCounts::Op& op : counts.ops()) {
    const char* kind = op.op_class == OpClass::wait             ? "wait"
                       : op.op_class == OpClass::command_buffer ? "command buffer"
                                                                : "kernel";
    add(kind, text(op.name), "", "", summarize(op.durations), {});
  }
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends)
      add("shape", shape.text, on.backend, shape.spec ? shape.spec->line() : "", on.op,
          {double(on.gpu.count), on.time_us, shape.spec ? double(shape.spec->min_bytes()) : kUnknown,
           known(double(shape.flops)), known(on.gbps), known(on.gflops), known(on.percent),
           on.percent > 0 ? on.to_win_ms : kUnknown,
           report.tokens ? double(on.op.count) / double(report.tokens) : kUnknown});
  return table;
}

}  // namespace assay
