// The table of shapes, and the notes that say where its numbers come from.
#include "report/analysis_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace assay {
namespace {

using Format = Column::Format;

/// NaN is how a table's number says that nothing is known.
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
double known(double value) { return value > 0 ? value : kUnknown; }

constexpr size_t kLeastFolded = 8;

/// "matmul M:1 N:9728 K:896 q8_0"; a line that is no spec as it is.
std::string short_shape(const Shape& shape) {
  if (!shape.spec) return shape.text;
  const Spec& spec = *shape.spec;
  const std::string layout =
      spec.segments.empty() ? fmt::format(" {}{}", spec.tA ? 'T' : 'N', spec.b_is_nk() ? 'T' : 'N') : "";
  return fmt::format("{} {}{} {}", spec.op_name, spec.short_name(), layout, dtype_name(spec.b));
}

/// What one row of the table shows: a shape on a backend, or shapes that differ in one size alone, all calls together.
struct ShapeRow {
  const Shape* shape;
  std::string label, backend;
  size_t folded;  // how many shapes; 0: one, as it is
  bool by_gpu;
  double calls, op_us, time_us, bytes, flops, to_win_ms;  // sums over the calls; bytes 0: unknown
};

ShapeRow row_of(const Shape& shape, const ShapeBackend& on) {
  const double calls = double(on.op.count);
  return {&shape,
          short_shape(shape),
          on.backend,
          0,
          on.by_gpu,
          calls,
          on.op.avg_ms * 1e3 * calls,
          on.time_us * calls,
          shape.spec ? calls * double(shape.spec->min_bytes()) : 0,
          calls * double(shape.flops),
          on.to_win_ms};
}

/// Where the digits after " n=" (" N:" in short form) begin and end; both 0: there are none.
std::pair<size_t, size_t> find_size(const std::string& text, char name) {
  for (const std::string& key : {std::string{' ', name, '='}, std::string{' ', char(name - 'a' + 'A'), ':'}}) {
    const size_t at = text.find(key);
    if (at == std::string::npos) continue;
    const size_t begin = at + key.size(), end = std::min(text.find_first_not_of("0123456789", begin), text.size());
    if (end > begin && end - begin < 16 && (end == text.size() || text[end] == ' ')) return {begin, end};
  }
  return {0, 0};
}

/// Attention at every context length is one row, not hundreds.
std::vector<ShapeRow> fold(std::vector<ShapeRow> rows, char name) {
  struct Group {
    std::vector<size_t> rows;
    int64_t least = 0, most = 0;
  };
  std::unordered_map<std::string, Group> groups;
  std::vector<Group*> group_of(rows.size(), nullptr);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string text = rows[i].shape->text;
    const auto [begin, end] = find_size(text, name);
    if (end == 0 || rows[i].folded > 0) continue;
    const int64_t size = std::stoll(text.substr(begin, end - begin));
    text.erase(begin, end - begin);
    const int known = rows[i].by_gpu | (rows[i].bytes > 0) << 1 | (rows[i].flops > 0) << 2;
    Group& group = groups[rows[i].backend + char('0' + known) + text];
    group.least = group.rows.empty() ? size : std::min(group.least, size);
    group.most = std::max(group.most, size);
    group.rows.push_back(i);
    group_of[i] = &group;
  }
  std::vector<ShapeRow> folded;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Group* group = group_of[i];
    if (!group || group->rows.size() < kLeastFolded) {
      folded.push_back(std::move(rows[i]));
    } else if (group->rows.front() == i) {
      ShapeRow sum = rows[i];
      for (size_t other = 1; other < group->rows.size(); ++other) {
        const ShapeRow& row = rows[group->rows[other]];
        sum.calls += row.calls, sum.op_us += row.op_us, sum.time_us += row.time_us;
        sum.bytes += row.bytes, sum.flops += row.flops, sum.to_win_ms += row.to_win_ms;
      }
      sum.folded = group->rows.size();
      const auto [begin, end] = find_size(sum.label, name);
      sum.label.replace(begin, end - begin, fmt::format("{}..{}", group->least, group->most));
      folded.push_back(std::move(sum));
    }
  }
  return folded;
}

std::vector<ShapeRow> folded_rows(const ShapeReport& report) {
  std::vector<ShapeRow> rows;
  for (const Shape& shape : report.shapes)
    for (const ShapeBackend& on : shape.backends) rows.push_back(row_of(shape, on));
  rows = fold(fold(std::move(rows), 'n'), 'k');
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ShapeRow& a, const ShapeRow& b) { return a.time_us > b.time_us; });
  return rows;
}

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
        fmt::format("completed: {}: {} ({} shape{})", fmt::join(given, ", "), rule.why, shapes, shapes == 1 ? "" : "s");
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
        "--dtype q8_0 (or f16, bf16, f32: the model's weights) gives the types that lines lack; nothing is guessed");
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
