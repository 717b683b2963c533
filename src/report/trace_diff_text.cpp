// What changed between two traces, as text.
#include <fmt/format.h>

#include <limits>

#include "base/terminal.h"
#include "report/analysis_text.h"

namespace assay {
namespace {

using Format = Column::Format;
constexpr double kUnknown =
    std::numeric_limits<double>::quiet_NaN();  // how a table's number says that nothing is known

std::string ratio_text(const DiffRow& row) {
  if (row.is_new() || row.is_gone() || row.comparison.ratio == 0) return "";
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", row.comparison.ratio, row.comparison.ratio_low,
                     row.comparison.ratio_high);
}

Colour colour_of(std::string_view verdict) {
  if (verdict.starts_with("SLOWER")) return Colour::red;
  return verdict.starts_with("FASTER") ? Colour::green : Colour::bold;
}

/// "1 SLOWER, 0 FASTER, 3 SAME": of the others only those that there are.
std::string counts_text(const std::vector<DiffRow>& rows) {
  std::string text;
  for (const std::string_view verdict : {"SLOWER", "FASTER", "SAME", "UNSURE", "NEW", "GONE"})
    if (const size_t count = TraceDiff::count(rows, verdict); count > 0 || verdict == "SLOWER" || verdict == "FASTER")
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, verdict);
  return text;
}

/// A table of the rows that `shown` names the verdicts of, at most `top` of each.
Table table_of(const std::vector<DiffRow>& rows, std::initializer_list<std::string_view> shown, size_t top,
               double tokens) {
  Table table{"",
              {{"verdict", "verdict", Format::text, 10, 0},
               {"kind", "of", Format::text, 7, 0},
               {"name", "name", Format::text, 9, 24},
               {"before_calls", "calls before", Format::whole, 3, 0},
               {"after_calls", "now", Format::whole, 3, 0},
               {"before_us", "us before", Format::fixed1, 6, 0},
               {"after_us", "now", Format::fixed1, 6, 0},
               {"ratio", "ratio of medians", Format::text, 8, 0},
               {"change_ms", tokens > 0 ? "ms/token" : "ms", tokens > 0 ? Format::fixed3 : Format::fixed2, 8, 0}},
              {},
              {},
              {}};
  for (const std::string_view verdict : shown) {
    size_t count = 0;
    for (const DiffRow& row : rows) {
      if (row.verdict() != verdict || ++count > top) continue;
      table.rows.push_back({std::string(verdict), row.kind, row.name + (row.backend.empty() ? "" : " @ " + row.backend),
                            double(row.before.count), double(row.after.count),
                            row.is_new() ? kUnknown : row.before.avg_ms * 1e3,
                            row.is_gone() ? kUnknown : row.after.avg_ms * 1e3, ratio_text(row),
                            row.is_new() || row.is_gone() ? kUnknown : row.change_ms / (tokens > 0 ? tokens : 1)});
    }
    if (count > top)
      table.notes.push_back(fmt::format("{} more are {}: --top {} shows all", count - top, verdict, count));
  }
  return table;
}

std::string walls_text(const TraceDiff& diff, const AnalysisTextOptions& options) {
  if (diff.walls.empty()) return "";
  Table table = table_of(diff.walls, {}, 0, 0);
  table.columns[2] = {"name", "wall of", Format::text, 9, 0};
  table.columns[3].title = "tokens";
  table.columns[5].title = "ms before";
  table.columns[1].importance = table.columns[8].importance = 0;  // all are walls; tokens differ in number
  table.columns[5].format = table.columns[6].format = Format::fixed3;
  for (const DiffRow& row : diff.walls)
    table.rows.push_back({std::string(row.verdict()), row.kind, row.name, double(row.before.count),
                          double(row.after.count), row.is_new() ? kUnknown : row.before.avg_ms,
                          row.is_gone() ? kUnknown : row.after.avg_ms, ratio_text(row), kUnknown});
  return render_table(table, options.width, options.colour);
}

std::string section(const char* title, const std::vector<DiffRow>& rows, const Table& table,
                    const AnalysisTextOptions& options) {
  const std::string head = fmt::format("{}: {}", title, counts_text(rows));
  std::string out = "\n" + (options.width ? cut_end(head, options.width) : head) + "\n";
  if (!table.rows.empty()) return out + render_table(table, options.width, options.colour);
  for (const std::string& note : table.notes)
    out += (options.width ? cut_end("  " + note, options.width) : "  " + note) + "\n";
  return out;
}

}  // namespace

std::string diff_text(const TraceDiff& diff, const AnalysisTextOptions& options) {
  const std::string verdict = diff.verdict();
  const size_t left = options.width > verdict.size() + 10 ? options.width - verdict.size() - 10 : 0;
  std::string out =
      fmt::format("\nAgainst {}: {}\n", left ? cut_middle(one_line(diff.before), left) : one_line(diff.before),
                  paint(verdict, colour_of(verdict), options.colour));
  out += walls_text(diff, options);
  Table types = table_of(diff.types, {"SLOWER", "FASTER"}, options.top, double(diff.tokens));
  types.notes.push_back(
      fmt::format("walls and types: SLOWER, FASTER where the whole 95 % interval of the ratio lies beyond {:g} %",
                  100 * diff.thresholds.pooled));
  out += section("Kernel types, pooled over blocks", diff.types, types, options);
  Table names = table_of(diff.rows, {"SLOWER", "FASTER", "NEW", "GONE"}, options.top, 0);
  names.notes.push_back(
      fmt::format("us are means; SLOWER, FASTER: the whole 95 % interval of the ratio beyond {:g} %, and p < {:.2g} "
                  "(0.01 over the comparisons made)",
                  100 * diff.thresholds.name, diff.significant));
  names.notes.push_back(
      "ms: what the change makes for all calls now; ops, waits and command buffers hold each other, so do not add them "
      "up");
  return out + section("Names and shapes", diff.rows, names, options);
}

}  // namespace assay
