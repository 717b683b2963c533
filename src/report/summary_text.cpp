// ms per token and their parts, kernel types, the shapes with most to win, anomalies; each a part of fixed height.
#include "report/summary_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/terminal.h"
#include "report/accounting_report.h"

namespace assay {
namespace {

using Format = Column::Format;
constexpr size_t kWidth = 80, kLines = 38, kShapes = 3;
constexpr size_t kMostTypes = 7, kFewestTypes = 3;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double ms(int64_t ns) { return double(ns) / 1e6; }

std::vector<Cell> parts_cells(const std::string& name, const TimeParts& parts, uint64_t tokens, double median_ms,
                              double p95_ms) {
  const double n = double(std::max<uint64_t>(tokens, 1));
  return {name,
          tokens ? double(tokens) : kUnknown,
          ms(parts.wall_ns) / n,
          median_ms,
          p95_ms,
          ms(parts.gpu_ns) / n,
          ms(parts.host_ns) / n,
          ms(parts.cpu_ns) / n,
          ms(parts.unattributed_ns()) / n};
}

/// Whole tokens; where none was found, the whole trace.
Table time_table(const Accounts& a) {
  const bool tokens = a.prompt.tokens + a.decode.tokens > 0;
  Table table{a.prompt.is_of_passes() ? "ms per decoded token and per pass of a prompt (load and outside: in all)"
              : tokens                ? "ms per token (load and outside: in all)"
                                      : "ms in all (no end of a token was found)",
              {{"phase", "", Format::text, 9, 0},
               {"tokens", "tokens", Format::whole, 8, 0},
               {"wall", "wall", Format::fixed2, 9, 0},
               {"median", "median", Format::fixed2, 5, 0},
               {"p95", "p95", Format::fixed2, 4, 0},
               {"gpu", "GPU busy", Format::fixed2, 7, 0},
               {"host", "host cost", Format::fixed2, 7, 0},
               {"cpu", "CPU", Format::fixed2, 7, 0},
               {"unattributed", "unattrib.", Format::fixed2, 6, 0}},
              {},
              {},
              {}};
  for (const auto& [name, phase] : {std::pair("prompt", &a.prompt), std::pair("decode", &a.decode)})
    if (phase->tokens)
      table.rows.push_back(parts_cells(name, phase->parts, phase->tokens, phase->wall_us.percentile(50) / 1e3,
                                       phase->wall_us.percentile(95) / 1e3));
  for (const auto& [name, parts] : {std::pair(tokens ? "load" : "all", &a.load), std::pair("outside", &a.outside)})
    if (parts->wall_ns > 0) table.rows.push_back(parts_cells(name, *parts, 0, kUnknown, kUnknown));
  if (const RobustLine& line = a.decode.wall_us_by_position; line.is_known()) {
    const RobustLine::Fit fit = line.fit();
    table.notes.push_back(
        fmt::format("decode: {:+.2f} us ({:+.2f} to {:+.2f}) per token of context, positions {} to {}", fit.slope,
                    fit.low, fit.high, line.first_x(), line.last_x()));
  }
  if (a.prompt.is_of_passes())
    table.notes.push_back(fmt::format("prompt: ms per pass of {} tokens, which counts as one; {:.3f} ms a token",
                                      tokens_of_pass(a.prompt),
                                      ms(a.prompt.parts.wall_ns) / double(a.prompt.given_tokens)));
  if (tokens && a.tokens_without_clock)
    table.notes.push_back(
        fmt::format("{} tokens without usable time stamps: durations are added up", a.tokens_without_clock));
  return table;
}

std::string after_last(std::string name, std::string_view mark) {
  const size_t at = name.rfind(mark);
  return at == std::string::npos || at + mark.size() == name.size() ? name : name.substr(at + mark.size());
}

struct KernelType {
  uint64_t calls = 0;
  Int128 us = 0;
};

/// Kernels by what their names end in; where no op is timed, the host's own work.
Table type_table(const TraceSummary& s, size_t most) {
  std::map<std::string, KernelType> types;
  const auto add = [&](const std::string& name, const DurationCounts& durations) {
    KernelType& type = types[without_numbers(after_last(name, "::"))];
    type.calls += durations.count();
    type.us += durations.total_us();
  };
  for (const ClassicCounts::Op& op : s.counts.ops())
    if (op.op_class == OpClass::kernel) add(kernel_base_name(s.strings.text(op.name)), op.durations);
  const bool of_ops = !types.empty();
  if (!of_ops)
    for (const ClassicCounts::Internal& internal : s.counts.internals()) {
      const std::string_view name = s.strings.text(internal.kernel);
      if (!name.ends_with("_total") && !name.ends_with("cb_wait")) add(std::string(name), internal.durations);
    }
  const double tokens = double(std::max<uint64_t>(s.shapes.tokens, 1));
  const std::string per = s.shapes.tokens ? "/token" : "";
  Table table{fmt::format("{}, {}", of_ops ? "Kernel types (op events, waits included)" : "Work of the host by type",
                          !s.shapes.tokens                   ? "in all"
                          : s.accounts.prompt.is_of_passes() ? "per decoded token or pass of a prompt"
                                                             : "per token of either phase"),
              {{"type", "type", Format::text, 9, 16},
               {"ms", "ms" + per, Format::fixed3, 9, 0},
               {"percent", "%", Format::fixed1, 6, 0},
               {"calls", "calls" + per, Format::fixed1, 5, 0},
               {"us", "us each", Format::fixed1, 7, 0}},
              {},
              {},
              {}};
  std::vector<std::pair<std::string, KernelType>> sorted(types.begin(), types.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.us > b.second.us; });
  double all_us = 0;
  for (const auto& [name, type] : sorted) all_us += double(type.us);
  for (size_t i = 0; i < std::min(sorted.size(), most); ++i) {
    const KernelType& type = sorted[i].second;
    table.rows.push_back({sorted[i].first, double(type.us) / 1e3 / tokens,
                          all_us > 0 ? 100 * double(type.us) / all_us : kUnknown, double(type.calls) / tokens,
                          double(type.us) / double(std::max<uint64_t>(type.calls, 1))});
  }
  if (sorted.size() > most) table.notes.push_back(fmt::format("{} more types", sorted.size() - most));
  return table;
}

/// A line a kind, with the number of further ones of that kind; most important first.
std::vector<std::string> anomaly_rows(const TraceSummary& s, size_t width) {
  std::vector<std::vector<std::string>> kinds = anomaly_lines(s.accounts.anomalies);
  if (const std::string rates = implausible_rates(s.shapes); !rates.empty()) kinds.insert(kinds.begin(), {rates});
  if (!s.totals.cut_off.empty()) kinds.insert(kinds.begin(), {s.totals.cut_off});
  std::vector<std::string> rows;
  for (const std::vector<std::string>& kind : kinds) {
    const std::string more = kind.size() > 1 ? fmt::format(" (+{})", kind.size() - 1) : "";
    rows.push_back("  " + cut_end(one_line(kind[0]), width - std::min(width, 2 + more.size())) + more);
  }
  return rows;
}

size_t lines_of(const std::string& text) { return size_t(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

std::string summary_text(const TraceSummary& s, const AnalysisTextOptions& options) {
  const size_t width = options.width ? options.width : kWidth;
  const auto part = [&](const Table& table) {
    return table.rows.empty() ? "" : "\n" + render_table(table, width, options.colour);
  };
  const std::string size = fmt::format(": {} events, {:.1f} MB", s.totals.events, double(s.totals.bytes) / 1e6);
  const std::string trace = cut_middle(one_line(s.trace), width > size.size() + 8 ? width - size.size() : 8);
  const std::string time =
      "\n" + paint(wrap(trace + size, width, 2), Colour::bold, options.colour) + "\n" + part(time_table(s.accounts));
  std::string shapes = hot_shapes_text(s.shapes, {kShapes, options.colour, width});
  if (!shapes.empty()) shapes = "\n" + shapes;
  const std::string end = cut_end("  --full shows all sections, --classic the classic ones alone", width) + "\n";

  std::vector<std::string> odd = anomaly_rows(s, width);
  const size_t left = kLines - std::min(kLines, lines_of(time) + lines_of(shapes) + lines_of(end));
  constexpr size_t kTableFrame = 5, kListFrame = 3;  // blank, titles, rules, "more"
  const size_t wanted = odd.size() + kListFrame + kTableFrame;
  const std::string types = part(type_table(s, std::clamp(left - std::min(left, wanted), kFewestTypes, kMostTypes)));
  std::string anomalies =
      odd.empty() ? "\nNo anomalies\n"
                  : "\n" + paint(cut_end("Anomalies (lines from 0)", width), Colour::bold, options.colour) + "\n";
  const size_t room = left - std::min(left, lines_of(types) + kListFrame);
  for (size_t i = 0; i < std::min(odd.size(), room); ++i) anomalies += odd[i] + "\n";
  if (odd.size() > room) anomalies += fmt::format("  {} more kinds\n", odd.size() - room);
  return time + types + shapes + anomalies + end;
}

}  // namespace assay
