// Sections of text, in the form of the classic ones: a title, then lines of fields between bars.
#include "report/accounting_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {
namespace {

constexpr size_t kShown = 10;  // rows of one kind of anomaly; all are in the JSON

double ms(int64_t ns) { return double(ns) / 1e6; }
double share(int64_t part_ns, int64_t wall_ns) { return wall_ns > 0 ? 100 * double(part_ns) / double(wall_ns) : 0; }
std::string ms_of(Int128 us) { return fmt::format("{:.2f}ms", double(us) / 1e3); }
const char* phase_name(Phase phase) { return phase == Phase::prompt ? "prompt" : "decode"; }

/// "wall=… = GPU + host + CPU + unattributed", divided by `tokens`.
std::string sum_text(const TimeParts& p, uint64_t tokens) {
  const double n = double(std::max<uint64_t>(tokens, 1));
  return fmt::format("wall={:.3f}ms = gpu_busy {:.3f} + host_cost {:.3f} + cpu {:.3f} + unattributed {:.3f} ({:.1f}%)",
                     ms(p.wall_ns) / n, ms(p.gpu_ns) / n, ms(p.host_ns) / n, ms(p.cpu_ns) / n,
                     ms(p.unattributed_ns()) / n, share(p.unattributed_ns(), p.wall_ns));
}

std::string buffers_text(const TimeParts& p, uint64_t tokens) {
  if (p.buffers == 0) return "";
  std::string text = fmt::format(" | buffers={:.1f}, host cost {:.1f}us each",
                                 double(p.buffers) / double(std::max<uint64_t>(tokens, 1)),
                                 double(p.host_ns) / 1e3 / double(p.buffers));
  if (p.unsplit_ns > 0)
    text += fmt::format(" | unattributed for want of a GPU time: {:.3f}ms",
                        ms(p.unsplit_ns) / double(std::max<uint64_t>(tokens, 1)));
  if (p.overlap_ns > 0)
    text +=
        fmt::format(" | told twice, counted once: {:.3f}ms", ms(p.overlap_ns) / double(std::max<uint64_t>(tokens, 1)));
  return text;
}

void add_stretch(std::string& out, const char* name, const TimeParts& parts) {
  if (parts.wall_ns <= 0) return;
  out += fmt::format("  {}: {}{}\n", name, sum_text(parts, 1), buffers_text(parts, 1));
}

void add_phase(std::string& out, const char* name, const PhaseAccount& phase) {
  if (phase.tokens == 0) return;
  out += fmt::format("  {}: tokens={} | {} | median={:.3f}ms, p95={:.3f}ms{}\n", name, phase.tokens,
                     sum_text(phase.parts, phase.tokens), phase.wall_us.percentile(50) / 1e3,
                     phase.wall_us.percentile(95) / 1e3, buffers_text(phase.parts, phase.tokens));
  if (phase.tokens_without_wall)
    out += fmt::format("    of {} tokens nothing tells the wall: it is the sum of what was reported\n",
                       phase.tokens_without_wall);
}

void add_time(std::string& out, const Accounts& a) {
  const uint64_t tokens = a.prompt.tokens + a.decode.tokens;
  if (tokens == 0 && a.load.buffers == 0 && a.load.cpu_ns == 0 && a.load.unsplit_ns == 0) return;
  out += tokens ? "\nTime per token:\n" : "\nTime (no end of a token was found):\n";
  add_stretch(out, tokens ? "load" : "all", a.load);
  add_phase(out, "prompt", a.prompt);
  add_phase(out, "decode", a.decode);
  add_stretch(out, "outside tokens", a.outside);
  if (tokens && a.tokens_without_clock)
    out += fmt::format(
        "  {} of {} tokens: no usable time stamps (missing, of whole milliseconds, or not advancing), so durations are "
        "added up\n",
        a.tokens_without_clock, tokens);
  const PairingCounts& p = a.pairing;
  if (p.without_gpu + p.ops_alone + p.late)
    out += fmt::format(
        "  pairing: {} buffers whole | {} waits and {} ops without a GPU time, unattributed | {} with a GPU time "
        "longer than the wait\n",
        p.whole, p.without_gpu, p.ops_alone, p.late);
}

void add_slope(std::string& out, const char* name, const RobustLine& line) {
  if (!line.is_known()) return;
  const RobustLine::Fit fit = line.fit();
  out += fmt::format(
      "  {} wall: {:+.3f}us ({:+.3f} to {:+.3f}) per token of context | {:.3f}ms at position {}, {:.3f}ms at {}\n",
      name, fit.slope, fit.low, fit.high, fit.at(line.first_x()) / 1e3, line.first_x(), fit.at(line.last_x()) / 1e3,
      line.last_x());
}

void add_position(std::string& out, const Accounts& a) {
  if (!a.prompt.wall_us_by_position.is_known() && !a.decode.wall_us_by_position.is_known() && a.slopes.empty()) return;
  out += "\nTime against position:\n";
  add_slope(out, "prompt", a.prompt.wall_us_by_position);
  add_slope(out, "decode", a.decode.wall_us_by_position);
  for (const LengthSlope& s : a.slopes) {
    const RobustLine::Fit fit = s.us.fit();
    out += fmt::format(
        "  {} @ {}: {:+.4f}us ({:+.4f} to {:+.4f}) per token of context ({}={}..{}) | count={} | {} avg={:.3f}ms\n",
        s.shape, s.backend, fit.slope, fit.low, fit.high, s.length, s.shortest, s.longest, s.calls,
        s.of_gpu ? "gpu" : "op", s.mean_us / 1e3);
  }
}

template <typename Row, typename Line>
void add_rows(std::string& out, const std::vector<Row>& rows, Line line) {
  for (size_t i = 0; i < std::min(rows.size(), kShown); ++i) out += "  " + line(rows[i]) + "\n";
  if (rows.size() > kShown) out += fmt::format("    and {} more of this kind\n", rows.size() - kShown);
}

void add_odd(std::string& out, const OddLines& odd, const std::string& what) {
  if (odd.times) {
    const std::string times = odd.times == 1 ? "once" : fmt::format("{} times, first", odd.times);
    out += fmt::format("  {}: {} in line {}\n", what, times, odd.first_line);
  }
}

void add_anomalies(std::string& out, const Anomalies& a) {
  if (!a.any()) return;
  out += "\nAnomalies (lines from 0):\n";
  if (a.runs_twice.times)
    out += fmt::format(
        "  the same run again: {} run{} equal an earlier one in every event, first in line {}: one file joined to "
        "itself? every sum counts it again\n",
        a.runs_twice.times, a.runs_twice.times == 1 ? "" : "s", a.runs_twice.first_line);
  if (a.events_twice.odd.times)
    out += fmt::format(
        "  the same events again: {} of {} timed events were told before, first in line {}: written by two loggers, "
        "or joined twice? the account of time counts each once, all else twice\n",
        a.events_twice.odd.times, a.events_twice.of, a.events_twice.odd.first_line);
  if (a.crossing_waits.odd.times)
    out += fmt::format(
        "  two engines in one file? {} of {} waits begin before the one before has ended, first in line {}: times per "
        "token are those of both\n",
        a.crossing_waits.odd.times, a.crossing_waits.of, a.crossing_waits.odd.first_line);
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
          fmt::format("time stamps jump ahead within a token (by {:.3f}s at most: the clock was set, or the machine "
                      "slept), the jump is in no wall",
                      double(a.jumps.largest_ns) / 1e9));
  add_odd(out, a.short_totals,
          "iteration_total shorter than the forward pass that it ends, so the token's wall is from the "
          "token before");
  add_odd(out, a.early_totals,
          fmt::format("iteration_total begins before the token before has ended (by {:.3f}ms at most), cut "
                      "there",
                      ms(a.early_totals.largest_ns)));
  add_odd(out, a.odd_durations, "negative durations or above an hour, not in the account");
}

}  // namespace

std::string accounting_text(const Accounts& accounts) {
  std::string out;
  add_time(out, accounts);
  add_position(out, accounts);
  add_anomalies(out, accounts.anomalies);
  return out;
}

}  // namespace assay
