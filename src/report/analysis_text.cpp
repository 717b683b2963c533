// The table of shapes, and the notes that say where its numbers come from.
#include "report/analysis_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/joined.h"
#include "report/shape_rows.h"

namespace assay {
namespace {

using Format = Column::Format;

/// NaN is how a table's number says that nothing is known.
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
double known(double value) { return value > 0 ? value : kUnknown; }

/// Each rule once: the fields that it gave, to how many shapes, and why.
std::vector<std::string> rule_notes(const ShapeReport& report) {
  std::vector<std::string> notes;
  for (const CompletionRule& rule : report.rules) {
    std::vector<std::pair<std::string, bool>> fields;  // "dtA=f16: why", and whether any shape got it
    for (const auto& [key, value] : rule.set)
      fields.emplace_back(fmt::format("{}={}: {}", key, value, rule.why), false);
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
    const std::string note =
        fmt::format("completed: {}: {} ({} shape{})", joined(given, ", "), rule.why, shapes, shapes == 1 ? "" : "s");
    if (std::find(notes.begin(), notes.end(), note) == notes.end())
      notes.push_back(note);  // rules may differ in their condition alone
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
    notes.push_back(fmt::format("unknown: {} shape{}, called {} time{}, {} (first in line {}: {})", group.shapes,
                                group.shapes == 1 ? "" : "s", group.calls, group.calls == 1 ? "" : "s", why,
                                group.first->first_line, group.first->text));
    lacks_types = lacks_types || why.find("dtB") != std::string::npos;
  }
  if (lacks_types && report.options.dtype.empty())
    notes.push_back(
        "--dtype q8_0 (or f16, q4_0, …: the model's weights) gives the types that lines lack; nothing is guessed");
  return notes;
}

std::vector<std::string> shape_notes(const ShapeReport& report, size_t shown, size_t rows, bool folded) {
  std::vector<std::string> notes;
  if (shown < rows) notes.push_back(fmt::format("{} more rows: --top {} shows all", rows - shown, rows));
  if (report.tokens)
    notes.push_back(fmt::format("{} tokens ({})", report.tokens, report.tokens_from));
  else
    notes.push_back(
        "how many tokens this is, the trace does not say (--tokens N): what is to be won is of the whole trace");
  bool gpu = false, op = false;
  uint64_t impossible = 0;
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends) {
      (on.by_gpu ? gpu : op) = true;
      impossible += on.percent > 100;
    }
  if (folded)
    notes.push_back("N:1..9 (9): nine shapes that differ in n alone, one row of means; --json and --csv have each");
  if (gpu)
    notes.push_back(
        "us: the GPU's own time, from the command buffer of each call; op us: the op event, waiting included");
  if (op)
    notes.push_back(gpu ? "rows marked * have no command buffer of their own: us is the op event's"
                        : "us: the op event's, waiting included");
  if (const std::string rates = implausible_rates(report); !rates.empty()) notes.push_back(rates);
  if (!(report.options.ceiling_gbps > 0)) {
    if (report.best_gbps > 0)
      notes.push_back(fmt::format(
          "the fastest reaches {:.1f} GB/s; --ceiling GB/s of the traced device gives % and what is to be won",
          report.best_gbps));
  } else if (impossible > 0) {
    notes.push_back(
        fmt::format("{} row{} above the ceiling: it is too low, or a cache held the weights, or the times are wrong",
                    impossible, impossible == 1 ? "" : "s"));
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

std::vector<Cell> shape_cells(const ShapeReport& report, const ShapeRow& row, bool mark) {
  const double tokens = double(std::max<uint64_t>(report.tokens, 1)), ceiling = report.options.ceiling_gbps;
  const bool is_timed = row.time_us > 0;
  const double gbps = is_timed ? row.bytes / row.time_us / 1e3 : 0;
  return {row.label + (row.folded ? fmt::format(" ({})", row.folded) : ""),
          row.backend + (mark ? " *" : ""),
          row.calls,
          row.calls / tokens,
          row.op_us / row.calls,
          row.time_us / row.calls,
          known(row.bytes / row.calls / 1e6),
          known(row.flops / row.calls / 1e6),
          known(is_timed ? row.flops / row.time_us / 1e3 : 0),
          known(gbps),
          known(ceiling > 0 ? 100 * gbps / ceiling : 0),
          row.time_us / 1e3 / tokens,
          ceiling > 0 && gbps > 0 ? row.to_win_ms : kUnknown};
}

}  // namespace

std::string implausible_rates(const ShapeReport& report) {
  size_t rates = 0;
  const Shape* worst = nullptr;
  const ShapeBackend* on_worst = nullptr;
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends) {
      if (!on.is_implausible()) continue;
      ++rates;
      if (!on_worst || on.gbps > on_worst->gbps) worst = &shape, on_worst = &on;
    }
  if (rates == 0) return "";
  return fmt::format(
      "{} shape{} at a rate that no device reaches: {:.0f} GB/s, {:.0f} GFLOP/s ({}): its times are wrong", rates,
      rates == 1 ? "" : "s", on_worst->gbps, on_worst->gflops, short_shape(*worst));
}

std::string hot_shapes_text(const ShapeReport& report, const AnalysisTextOptions& options) {
  std::vector<ShapeRow> rows = folded_rows(report);
  if (rows.empty()) return "";
  const bool wins = report.to_win_ms > 0;
  if (wins)
    std::stable_sort(rows.begin(), rows.end(),
                     [](const ShapeRow& a, const ShapeRow& b) { return a.to_win_ms > b.to_win_ms; });
  Table table{wins ? fmt::format("Shapes with most to win, ms{} (against {:.0f} GB/s)",
                                 report.per_token() ? " per token" : "", report.options.ceiling_gbps)
                   : "Shapes that take most time",
              shape_columns(report),
              {},
              {},
              {}};
  for (Column& column : table.columns) {  // sizes tell shapes apart, so they are cut last
    if (column.key == "shape") column.shortest = 30;
    if (column.key == "percent") column.title = "%";
    if (column.key == "to_win_ms") column.title = "to win";
  }
  for (size_t i = 0; i < std::min(options.top, rows.size()); ++i) {
    if (const size_t one = rows[i].label.find(" M:1 "); one != std::string::npos) rows[i].label.erase(one, 4);
    table.rows.push_back(shape_cells(report, rows[i], false));
  }
  if (!wins) table.notes.push_back("what could be won: --dtype q8_0 (the weights' type) and --ceiling GB/s or cpu:0");
  Table shown = shown_columns(table, {"calls", "op_us", "mb", "mflop", "gflops"});
  return render_table(shown, options.width, options.colour);
}

Table shapes_table(const ShapeReport& report, const AnalysisTextOptions& options) {
  const std::vector<ShapeRow> rows = folded_rows(report);
  const bool gpu = std::any_of(rows.begin(), rows.end(), [](const ShapeRow& row) { return row.by_gpu; });
  Table table{"Shapes: what each call moves (every operand once) and computes", shape_columns(report), {}, {}, {}};
  for (const ShapeRow& row : rows)
    if (table.rows.size() < options.top) table.rows.push_back(shape_cells(report, row, gpu && !row.by_gpu));
  const bool folded = std::any_of(rows.begin(), rows.end(), [](const ShapeRow& row) { return row.folded > 0; });
  double calls = 0;
  for (const ShapeRow& row : rows) calls += row.calls;
  const double tokens = double(std::max<uint64_t>(report.tokens, 1));
  table.sums = std::vector<Cell>(table.columns.size());
  table.sums[0] = table.rows.size() < rows.size() ? fmt::format("sum of all {} rows", rows.size()) : std::string("sum");
  table.sums[2] = calls;
  table.sums[3] = calls / tokens;
  table.sums[11] = report.total_us / 1e3 / tokens;
  table.sums[12] = known(report.to_win_ms);
  for (auto notes :
       {shape_notes(report, table.rows.size(), rows.size(), folded), rule_notes(report), unknown_notes(report)})
    table.notes.insert(table.notes.end(), notes.begin(), notes.end());
  return table;
}

std::string shapes_text(const ShapeReport& report, const AnalysisTextOptions& options) {
  if (report.shapes.empty()) return "";
  return "\n" + render_table(shapes_table(report, options), options.width, options.colour);
}

}  // namespace assay
