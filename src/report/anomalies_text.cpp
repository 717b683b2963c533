// What is odd in a trace, a line each: what, how often and where stand first, as a narrow terminal cuts the end off.
#include <fmt/format.h>

#include "report/accounting_report.h"

namespace assay {
namespace {

using Kinds = std::vector<std::vector<std::string>>;

double ms(int64_t ns) { return double(ns) / 1e6; }
std::string ms_of(Int128 us) { return fmt::format("{:.2f}ms", double(us) / 1e3); }
const char* phase_name(Phase phase) { return phase == Phase::prompt ? "prompt" : "decode"; }

template <typename Row, typename Line>
void add_rows(Kinds& out, const std::vector<Row>& rows, Line line) {
  if (rows.empty()) return;
  std::vector<std::string>& lines = out.emplace_back();
  for (const Row& row : rows) lines.push_back(line(row));
}

void add_odd(Kinds& out, const OddLines& odd, const std::string& what, const std::string& why = "") {
  if (odd.times == 0) return;
  const std::string times = odd.times == 1 ? "once" : fmt::format("{} times, first", odd.times);
  out.push_back({fmt::format("{}: {} in line {}{}{}", what, times, odd.first_line, why.empty() ? "" : ": ", why)});
}

void add_doubles(Kinds& out, const Anomalies& a) {
  add_odd(out, a.runs_twice, "the same run again",
          "it equals an earlier one in every event; one file joined to itself? Every sum counts it again");
  if (const OddLines& odd = a.events_twice.odd; odd.times)
    out.push_back({fmt::format(
        "the same events again: {} of {} timed events, first in line {}: written by two loggers, or joined twice? "
        "The account of time counts each once, all else twice",
        odd.times, a.events_twice.of, odd.first_line)});
  if (const OddLines& odd = a.crossing_waits.odd; odd.times)
    out.push_back({fmt::format(
        "two engines in one file? {} of {} waits, first in line {}, begin before the one before has ended: times "
        "per token are those of both",
        odd.times, a.crossing_waits.of, odd.first_line)});
}

}  // namespace

std::vector<std::vector<std::string>> anomaly_lines(const Anomalies& a) {
  Kinds out;
  add_doubles(out, a);
  add_rows(out, a.bad_lines, [](const BadKind& b) {
    return fmt::format("{}: {} line{} left out, first line {}: {}",
                       b.kind == BadLine::Kind::not_json ? "not JSON" : "wrong shape", b.lines, b.lines == 1 ? "" : "s",
                       b.first_line, b.message);
  });
  add_rows(out, a.repeated, [](const UnpairedGpuTime& r) {
    return fmt::format(
        "the same buffer again and again: {}/cb_gpu of {}us {} times without a buffer, first in line {}: not counted",
        r.scope, r.us, r.times, r.first_line);
  });
  add_odd(out, a.lone_gpu, "GPU time without a buffer, not counted");
  add_rows(out, a.cut_offs, [](const CutOff& c) {
    return fmt::format(
        "cut off: a {} token begins after {} tokens and does not end ({} buffers, {:.3f}ms), last line {}",
        phase_name(c.phase), c.tokens_before, c.buffers, ms(c.wall_ns), c.line);
  });
  add_rows(out, a.nested, [](const NestedTotal& n) {
    return fmt::format("nested totals: {} lies within {} {} times ({}): do not add them", n.inner, n.outer, n.times,
                       ms_of(n.us));
  });
  add_rows(out, a.placeholders, [](const Placeholder& p) {
    return fmt::format("placeholder duration: {} is exactly {}us in {} of {} events", p.name, double(p.us), p.times,
                       p.of);
  });
  add_odd(
      out, a.minute_gpu,
      fmt::format("placeholder duration: cb_gpu of 0 or 1us, in buffers of {} in all", ms_of(a.minute_gpu_wall_us)));
  add_odd(out, a.backwards, fmt::format("time stamps run backwards (by {:.3f}ms at most)", ms(a.backwards.largest_ns)));
  add_odd(out, a.unstamped, "no time stamp, though others have one");
  add_odd(out, a.jumps,
          fmt::format("time stamps jump ahead within a token (by {:.3f}s at most)", double(a.jumps.largest_ns) / 1e9),
          "the clock was set, or the machine slept; the jump is in no wall");
  add_odd(out, a.short_totals, "iteration_total shorter than the forward pass",
          "the token's wall is from the token before");
  add_odd(out, a.early_totals,
          fmt::format("iteration_total begins before the last token's end (by {:.3f}ms at most)",
                      ms(a.early_totals.largest_ns)),
          "cut there");
  add_odd(out, a.odd_durations, "negative durations or above an hour, not in the account");
  return out;
}

}  // namespace assay
