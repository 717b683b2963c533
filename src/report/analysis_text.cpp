// Tables of shapes, differences, and all rows for CSV.
#include "report/analysis_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/terminal.h"

namespace assay {
namespace {

using Format = Column::Format;

/// NaN is how a table's number says that nothing is known.
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
double known(double value) { return value > 0 ? value : kUnknown; }

/// "matmul M:1 N:9728 K:896"; a line that is no spec as it is.
std::string short_shape(const Shape& shape) {
  if (!shape.spec) return shape.text;
  const Spec& spec = *shape.spec;
  const std::string layout = spec.segments.empty() ? fmt::format(" {}{}", spec.tA ? 'T' : 'N', spec.b_is_nk() ? 'T' : 'N') : "";
  return fmt::format("{} {}{} {}", spec.op_name, spec.short_name(), layout, dtype_name(spec.b));
}

/// Each rule once: the fields that it gave, to how many shapes, and why.
std::vector<std::string> rule_notes(const ShapeReport& report) {
  std::vector<std::string> notes;
  for (const CompletionRule& rule : report.rules) {
    std::vector<std::pair<std::string, bool>> fields;  // "dtA=f16: why", and whether any shape got it
    for (const auto& [key, value] : rule.set) fields.emplace_back(fmt::format("{}={}: {}", key, value, rule.why), false);
    size_t shapes = 0;
    for (const Shape& shape : report.shapes) {
      bool applied = false;
      for (auto& [field, is_given] : fields)
        if (std::find(shape.rules.begin(), shape.rules.end(), field) != shape.rules.end()) applied = is_given = true;
      shapes += applied;
    }
    std::vector<std::string> given;
    for (size_t i = 0; i < fields.size(); ++i)
      if (fields[i].second) given.push_back(rule.set[i].first + "=" + rule.set[i].second);
    if (shapes == 0) continue;
    const std::string note = fmt::format("completed: {}: {} ({} shape{})", fmt::join(given, ", "), rule.why, shapes, shapes == 1 ? "" : "s");
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);  // rules may differ in their condition alone
  }
  return notes;
}

/// What no rule completes, by what is wrong, with the first such line.
std::vector<std::string> unknown_notes(const ShapeReport& report) {
  struct Group {
    size_t shapes = 0;
    uint64_t calls = 0;
    const Shape* first = nullptr;
  };
  std::vector<std::pair<std::string, Group>> groups;
  for (const Shape& shape : report.shapes) {
    if (shape.spec) continue;
    auto at = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == shape.unknown; });
    if (at == groups.end()) at = groups.insert(groups.end(), {shape.unknown, {}});
    if (!at->second.first) at->second.first = &shape;
    ++at->second.shapes;
    at->second.calls += shape.calls;
  }
  std::vector<std::string> notes;
  bool lacks_types = false;
  for (const auto& [why, group] : groups) {
    notes.push_back(fmt::format("unknown: {} shape{}, {} calls, {} (first in line {}: {})", group.shapes, group.shapes == 1 ? "" : "s",
                                group.calls, why, group.first->first_line, group.first->text));
    lacks_types = lacks_types || why.find("dtB") != std::string::npos;
  }
  if (lacks_types) notes.push_back("--dtype q8_0 (or f16, bf16, f32: the model's weights) gives the types that lines lack; nothing is guessed");
  return notes;
}

std::vector<std::string> shape_notes(const ShapeReport& report, size_t shown, size_t rows) {
  std::vector<std::string> notes;
  if (shown < rows) notes.push_back(fmt::format("{} more rows: --top {} shows all", rows - shown, rows));
  if (report.tokens)
    notes.push_back(fmt::format("{} tokens ({})", report.tokens, report.tokens_from));
  else
    notes.push_back("how many tokens this is, the trace does not say (--tokens N): what is to be won is of the whole trace");
  bool gpu = false, op = false;
  uint64_t impossible = 0;
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends) {
      (on.by_gpu ? gpu : op) = true;
      impossible += on.percent > 100;
    }
  if (gpu) notes.push_back("us: the GPU's own time, from the command buffer of each call; op us: the op event, waiting included");
  if (op) notes.push_back(gpu ? "rows marked * have no command buffer of their own: us is the op event's" : "us: the op event's, waiting included");
  if (!(report.options.ceiling_gbps > 0)) {
    if (report.best_gbps > 0)
      notes.push_back(fmt::format("the fastest reaches {:.1f} GB/s; --ceiling GB/s of the traced device gives % and what is to be won", report.best_gbps));
  } else if (impossible > 0) {
    notes.push_back(fmt::format("{} row{} above the ceiling: it is too low, or a cache held the weights, or the times are wrong", impossible, impossible == 1 ? "" : "s"));
  }
  return notes;
}

std::vector<Column> shape_columns(const ShapeReport& report) {
  const bool ceiling = report.options.ceiling_gbps > 0;
  return {{"shape", "shape", Format::text, 10, 24},
          {"backend", "backend", Format::text, 8, 8},
          {"calls", "calls", Format::whole, 5, 0},
          {"per_token", "/token", Format::fixed2, report.per_token() ? 6 : 0, 0},
          {"op_us", "op us", Format::fixed1, 3, 0},
          {"time_us", "us", Format::fixed1, 9, 0},
          {"mb", "MB", Format::fixed2, 4, 0},
          {"mflop", "MFLOP", Format::fixed2, 2, 0},
          {"gflops", "GFLOP/s", Format::fixed1, 2, 0},
          {"gbps", "GB/s", Format::fixed1, 9, 0},
          {"percent", "% ceiling", Format::fixed1, ceiling ? 8 : 0, 0},
          {"ms", report.per_token() ? "ms/token" : "ms", Format::fixed3, 7, 0},
          {"to_win_ms", "to win ms", Format::fixed3, ceiling ? 8 : 0, 0}};
}

std::vector<Cell> shape_row(const ShapeReport& report, const Shape& shape, const ShapeBackend& on, bool mark) {
  const double tokens = double(std::max<uint64_t>(report.tokens, 1)), calls = double(on.op.count);
  return {short_shape(shape),
          on.backend + (mark ? " *" : ""),
          calls,
          calls / tokens,
          on.op.avg_ms * 1e3,
          on.time_us,
          shape.spec ? double(shape.spec->min_bytes()) / 1e6 : kUnknown,
          known(double(shape.flops) / 1e6),
          known(on.gflops),
          known(on.gbps),
          known(on.percent),
          on.time_us * calls / 1e3 / tokens,
          on.percent > 0 ? on.to_win_ms : kUnknown};
}

std::string ratio_text(const DiffRow& row) {
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", row.comparison.ratio, row.comparison.ratio_low, row.comparison.ratio_high);
}

}  // namespace

std::string shapes_text(const ShapeReport& report, const AnalysisTextOptions& options) {
  if (report.shapes.empty()) return "";
  bool gpu = false;
  size_t rows = 0;
  double calls = 0;
  for (const Shape& shape : report.shapes) {
    rows += shape.backends.size();
    calls += double(shape.calls);
    for (const ShapeBackend& on : shape.backends) gpu = gpu || on.by_gpu;
  }
  Table table{"Shapes: what each call moves (every operand once) and computes", shape_columns(report), {}, {}, {}};
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends)
      if (table.rows.size() < options.top) table.rows.push_back(shape_row(report, shape, on, gpu && !on.by_gpu));
  const double tokens = double(std::max<uint64_t>(report.tokens, 1));
  table.sums = std::vector<Cell>(table.columns.size());
  table.sums[0] = table.rows.size() < rows ? fmt::format("sum of all {} rows", rows) : std::string("sum");
  table.sums[2] = calls;
  table.sums[3] = calls / tokens;
  table.sums[11] = report.total_us / 1e3 / tokens;
  table.sums[12] = known(report.to_win_ms);
  for (auto notes : {shape_notes(report, table.rows.size(), rows), rule_notes(report), unknown_notes(report)})
    table.notes.insert(table.notes.end(), notes.begin(), notes.end());
  return "\n" + render_table(table, options.width, options.colour);
}

std::string diff_text(const TraceDiff& diff, const AnalysisTextOptions& options) {
  const auto count = [&](const char* verdict, Colour colour) {
    const size_t n = diff.count(verdict);
    return paint(fmt::format("{} {}", n, verdict), colour, options.colour && n > 0);
  };
  std::string out = fmt::format("\nAgainst {}: {}, {}, {} SAME, {} UNSURE, {} NEW, {} GONE\n", diff.before, count("SLOWER", Colour::red),
                                count("FASTER", Colour::green), diff.count("SAME"), diff.count("UNSURE"), diff.count("NEW"), diff.count("GONE"));
  Table table{"",
              {{"verdict", "verdict", Format::text, 10, 0},
               {"kind", "of", Format::text, 7, 0},
               {"name", "name", Format::text, 9, 24},
               {"before_calls", "calls before", Format::whole, 3, 0},
               {"after_calls", "now", Format::whole, 3, 0},
               {"before_us", "us before", Format::fixed1, 6, 0},
               {"after_us", "now", Format::fixed1, 6, 0},
               {"ratio", "ratio of medians", Format::text, 8, 0},
               {"change_ms", "ms", Format::fixed2, 8, 0}},
              {}, {}, {}};
  for (const std::string_view verdict : {"SLOWER", "FASTER", "NEW", "GONE"}) {
    size_t shown = 0;
    for (const DiffRow& row : diff.rows) {
      if (row.verdict() != verdict || ++shown > options.top) continue;
      const bool both = !row.is_new() && !row.is_gone();
      table.rows.push_back({std::string(verdict), row.kind, row.name + (row.backend.empty() ? "" : " @ " + row.backend), double(row.before.count),
                            double(row.after.count), row.is_new() ? kUnknown : row.before.avg_ms * 1e3,
                            row.is_gone() ? kUnknown : row.after.avg_ms * 1e3, both ? ratio_text(row) : std::string(),
                            both ? row.change_ms : kUnknown});
    }
    if (shown > options.top) table.notes.push_back(fmt::format("{} more are {}: --top {} shows all", shown - options.top, verdict, shown));
  }
  table.notes.push_back(fmt::format("us are means; SLOWER, FASTER: the whole 95 % interval of the ratio beyond {:g} %, and p < {:.2g} (0.01 over the comparisons made)",
                                    100 * diff.threshold, diff.significant));
  table.notes.push_back("ms: what the change makes for all calls now; ops, waits and command buffers hold each other, so do not add them up");
  if (table.rows.empty()) {
    for (const std::string& note : table.notes) out += "  " + note + "\n";
    return out;
  }
  return out + render_table(table, options.width, options.colour);
}

Table analysis_table(const std::string& trace, const ClassicCounts& counts, const StringTable& strings, const ShapeReport& report) {
  Table table;
  for (const char* key : {"trace", "kind", "name", "backend", "spec_line"}) table.columns.push_back({key, key, Format::text, 1, 0});
  for (const char* key : {"count", "total_ms", "avg_ms", "min_ms", "max_ms", "p95_ms", "p99_ms", "gpu_count", "time_us", "bytes", "flops", "gbps",
                          "gflops", "percent_of_ceiling", "to_win_ms", "calls_per_token"})
    table.columns.push_back({key, key, Format::fixed3, 1, 0});
  const auto add = [&](const char* kind, std::string name, const std::string& backend, const std::string& spec_line, const DurationSummary& s,
                       std::vector<Cell> more) {
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
    const char* kind = op.op_class == OpClass::wait ? "wait" : op.op_class == OpClass::command_buffer ? "command buffer" : "kernel";
    add(kind, text(op.name), "", "", summarize(op.durations), {});
  }
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends)
      add("shape", shape.text, on.backend, shape.spec ? shape.spec->line() : "", on.op,
          {double(on.gpu.count), on.time_us, shape.spec ? double(shape.spec->min_bytes()) : kUnknown, known(double(shape.flops)),
           known(on.gbps), known(on.gflops), known(on.percent), on.percent > 0 ? on.to_win_ms : kUnknown,
           report.tokens ? double(on.op.count) / double(report.tokens) : kUnknown});
  return table;
}

}  // namespace assay
