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
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", row.comparison.ratio, row.comparison.ratio_low,
                     row.comparison.ratio_high);
}

}  // namespace

std::string diff_text(const TraceDiff& diff, const AnalysisTextOptions& options) {
  const auto count = [&](const char* verdict, Colour colour) {
    const size_t n = diff.count(verdict);
    return paint(fmt::format("{} {}", n, verdict), colour, options.colour && n > 0);
  };
  std::string out = fmt::format("\nAgainst {}: {}, {}, {} SAME, {} UNSURE, {} NEW, {} GONE\n", diff.before,
                                count("SLOWER", Colour::red), count("FASTER", Colour::green), diff.count("SAME"),
                                diff.count("UNSURE"), diff.count("NEW"), diff.count("GONE"));
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
              {},
              {},
              {}};
  for (const std::string_view verdict : {"SLOWER", "FASTER", "NEW", "GONE"}) {
    size_t shown = 0;
    for (const DiffRow& row : diff.rows) {
      if (row.verdict() != verdict || ++shown > options.top) continue;
      const bool both = !row.is_new() && !row.is_gone();
      table.rows.push_back({std::string(verdict), row.kind, row.name + (row.backend.empty() ? "" : " @ " + row.backend),
                            double(row.before.count), double(row.after.count),
                            row.is_new() ? kUnknown : row.before.avg_ms * 1e3,
                            row.is_gone() ? kUnknown : row.after.avg_ms * 1e3, both ? ratio_text(row) : std::string(),
                            both ? row.change_ms : kUnknown});
    }
    if (shown > options.top)
      table.notes.push_back(fmt::format("{} more are {}: --top {} shows all", shown - options.top, verdict, shown));
  }
  table.notes.push_back(
      fmt::format("us are means; SLOWER, FASTER: the whole 95 % interval of the ratio beyond {:g} %, and p < {:.2g} "
                  "(0.01 over the comparisons made)",
                  100 * diff.threshold, diff.significant));
  table.notes.push_back(
      "ms: what the change makes for all calls now; ops, waits and command buffers hold each other, so do not add them "
      "up");
  if (table.rows.empty()) {
    for (const std::string& note : table.notes) out += "  " + note + "\n";
    return out;
  }
  return out + render_table(table, options.width, options.colour);
}

}  // namespace assay
