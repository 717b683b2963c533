// Sections of text, in the form of the classic ones: a title, then lines of fields between bars.
#include "report/accounting_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/terminal.h"

namespace assay {
namespace {

constexpr size_t kShown = 10;  // rows of one kind of anomaly; all are in the JSON

double ms(int64_t ns) { return double(ns) / 1e6; }
double share(int64_t part_ns, int64_t wall_ns) { return wall_ns > 0 ? 100 * double(part_ns) / double(wall_ns) : 0; }

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
  if (phase.is_of_passes())
    out += fmt::format("    each counts as a token and is a pass of {} tokens: {:.3f}ms a token\n",
                       tokens_of_pass(phase), ms(phase.parts.wall_ns) / double(phase.given_tokens));
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

void add_anomalies(std::string& out, const Anomalies& anomalies) {
  if (!anomalies.any()) return;
  out += "\nAnomalies (lines from 0):\n";
  for (const std::vector<std::string>& kind : anomaly_lines(anomalies)) {
    for (size_t i = 0; i < std::min(kind.size(), kShown); ++i) out += "  " + kind[i] + "\n";
    if (kind.size() > kShown) out += fmt::format("    and {} more of this kind\n", kind.size() - kShown);
  }
}

}  // namespace

std::string tokens_of_pass(const PhaseAccount& phase) {
  const uint64_t each = phase.given_tokens / phase.tokens;
  return each * phase.tokens == phase.given_tokens
             ? fmt::format("{}", each)
             : fmt::format("{:.1f}", double(phase.given_tokens) / double(phase.tokens));
}

std::string accounting_text(const Accounts& accounts) {
  std::string out;
  add_time(out, accounts);
  add_position(out, accounts);
  add_anomalies(out, accounts.anomalies);
  return printable(out);  // names of ops and what a line says are the trace's
}

}  // namespace assay
