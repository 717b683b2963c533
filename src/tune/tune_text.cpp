// What tuning found, for people.
#include "tune/tune_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/terminal.h"
#include "report/table.h"
#include "stats/summary.h"

namespace assay {
namespace {

using F = Column::Format;

Cell time_cell(double us) { return us > 0 ? Cell(us) : Cell(); }

std::string pair_text(const KernelPair& pair) {
  if (!pair.decode) return "-";
  if (!pair.prompt || pair.prompt == pair.decode) return pair.decode->id();
  return fmt::format("{} + {}", pair.decode->id(), pair.prompt->id());
}

/// The median and the middle half: one disturbed run of a few moves neither far.
std::string middle(const std::vector<double>& ms) {
  return fmt::format("{:.3f} (half of the runs {:.3f} to {:.3f})", percentile(ms, 50), percentile(ms, 25),
                     percentile(ms, 75));
}

/// What the runs took against what was predicted, run by run: memory may have another rate minutes later, for the ops
/// alone as for the model.
std::string apart(const TuneResult& result, const std::vector<double>& predicted, const std::vector<double>& achieved) {
  if (!result.unmeasured.empty()) return "predicted without what has no proved kernel";
  std::vector<double> percent;
  for (size_t i = 0; i < std::min(predicted.size(), achieved.size()); ++i)
    percent.push_back(100 * (achieved[i] / predicted[i] - 1));
  const double more = percentile(percent, 50);
  return fmt::format(
      "predicted before each run: {}. A run took {:.1f} % {} than predicted before it (median; half of the runs "
      "{:+.1f} "
      "to {:+.1f} %)",
      middle(predicted), std::abs(more), more < 0 ? "less" : "more", percentile(percent, 25), percentile(percent, 75));
}

std::string ratio_text(const TurnRatio& r) {
  return fmt::format("{:+.1f} % ({:+.1f} to {:+.1f} %, {} turns)", 100 * (r.median - 1), 100 * (r.low - 1),
                     100 * (r.high - 1), r.turns);
}

/// Where what came differs from what was foretold.
Table context_table(const TuneResult& result) {
  Table table{"Where the model runs, beside each op alone",
              {{"role", "op", F::text, 9},
               {"after", "kernel", F::text, 8, 14},
               {"after_us", "us alone", F::fixed2, 7},
               {"in_context_us", "in context", F::fixed2, 9},
               {"ratio", "ratio", F::fixed2, 6},
               {"more_ms", "ms/token more", F::fixed3, 5}},
              {},
              {},
              {}};
  double sum_ms = 0;
  for (const TunedOp& t : result.step) {
    const bool known = t.after_us > 0 && t.in_context_us > 0;
    const double more_ms = known ? double(t.op.calls) * (t.in_context_us - t.after_us) * 1e-3 : 0;
    sum_ms += more_ms;
    table.rows.push_back({t.op.role, pair_text(t.after), time_cell(t.after_us), time_cell(t.in_context_us),
                          known ? Cell(t.in_context_us / t.after_us) : Cell(), known ? Cell(more_ms) : Cell()});
  }
  const double alone_ms = result.alone_between_ms, more_ms = result.between_ms - alone_ms;
  if (alone_ms > 0) {
    sum_ms += more_ms;
    table.rows.push_back(
        {"between ops", "", alone_ms * 1e3, result.between_ms * 1e3, result.between_ms / alone_ms, more_ms});
  }
  table.sums = {"all", "", Cell(), Cell(), Cell(), sum_ms};
  table.notes.emplace_back(
      "alone: clocked by itself behind the ops before it, just before each run; both of the middle half of steps");
  table.notes.emplace_back(
      "between ops: alone the logits are copied and judged, in context it is all that is in no op");
  return table;
}

/// Ops that no kernel but a plain loop supports: "" where there are none.
std::string plain_loops_text(const TuneResult& result) {
  std::string ops;
  for (const TunedOp& t : result.step)
    if (t.candidates == 1 && t.after.decode && t.after.decode->baseline)
      ops += fmt::format("{}{} ({})", ops.empty() ? "" : ", ", t.op.role, t.op.spec.short_name());
  return ops.empty() ? ""
                     : fmt::format("Plain loops alone compute these here, no other kernel supports them: {}\n", ops);
}

std::string verdict(const TuneResult& result, const TurnRatio& ratio) {
  if (result.is_default_best())
    return "The default was best: the table says what it says, with evidence of this device.";
  if (ratio.turns == 0) return "Not proved in context yet.";
  if (ratio.high < 1) return "The table is faster than the default in context.";
  return "The table is not slower than the default in context; whether it is faster these turns do not show.";
}

}  // namespace

TurnRatio turn_ratio(const std::vector<double>& before, const std::vector<double>& after) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) ratios.push_back(after[i] / before[i]);
  const Summary s = summarize(ratios);
  return {s.median, s.ci_low, s.ci_high, ratios.size()};
}

std::string choice_text(const TuneResult& result, int64_t depth, bool prefill, size_t width) {
  Table table{"",
              {{"role", "op", F::text, 9},
               {"spec", "spec", F::text, 4, 12},
               {"calls", "calls", F::whole, 6},
               {"tried", "proved", F::text, 3},
               {"before", "default", F::text, 7, 14},
               {"before_us", "us", F::fixed2, 7},
               {"after", "chosen", F::text, 9, 14},
               {"after_us", "us", F::fixed2, 9},
               {"margin", "margin %", F::fixed1, 2},
               {"ms", "ms/token", F::fixed3, 8}},
              {},
              {},
              {}};
  if (prefill) table.columns.insert(table.columns.end() - 1, {"prompt_us", "prompt us", F::fixed1, 6});
  double sum_ms = 0;
  for (const TunedOp& t : result.step) {
    const double ms = double(t.op.calls) * t.after_us * 1e-3;
    sum_ms += ms;
    table.rows.push_back({t.op.role, t.op.spec.short_name(), double(t.op.calls),
                          fmt::format("{}/{}", t.proved, t.candidates), pair_text(t.before), time_cell(t.before_us),
                          t.is_changed() ? pair_text(t.after) : std::string("the same"), time_cell(t.after_us),
                          t.result.empty() ? Cell() : Cell(t.margin_percent), time_cell(ms)});
    if (prefill) table.rows.back().insert(table.rows.back().end() - 1, time_cell(t.prompt_after_us));
  }
  if (result.alone_between_ms > 0) {
    sum_ms += result.alone_between_ms;
    table.rows.emplace_back(table.columns.size(), Cell());
    table.rows.back()[0] = "between ops", table.rows.back().back() = result.alone_between_ms;
  }
  table.sums.assign(table.columns.size(), Cell());
  table.sums[0] = "all", table.sums.back() = sum_ms;
  std::string text;
  if (result.untried > 0)
    text +=
        fmt::format("{} of {} candidates were not tried: a longer --budget does.\n", result.untried, result.candidates);
  text += plain_loops_text(result);
  for (const std::string& op : result.unmeasured) text += fmt::format("Without a proved kernel: {}\n", op);
  text += fmt::format(
      "Predicted at depth {}: {:.3f} ms per token{} ({:.3f} with the defaults), floor {:.3f}. It is the sum "
      "of the times alone: no factor is fitted.\n",
      depth, result.predicted_ms,
      result.predicted_high_ms > 0
          ? fmt::format(", {:.3f} to {:.3f}", result.predicted_low_ms, result.predicted_high_ms)
          : "",
      result.predicted_before_ms, result.floor_ms);
  if (result.floor_ms > result.predicted_ms)
    text += "The floor is what memory allows; the caches here hold enough of the model to be faster than that.\n";
  return render_table(table, width) + wrap_lines(text, width, 2);
}

std::string proof_text(const TuneResult& result, int64_t depth, bool prefill, size_t width) {
  const Turns& turns = result.turns;
  const Summary before = summarize(turns.before), after = summarize(turns.after);
  std::string taken_back, text;
  for (const TunedOp& t : result.step)
    if (!t.taken_back.empty())
      taken_back += fmt::format("Taken back: {} ({}): {}\n", t.op.role, t.op.spec.short_name(), t.taken_back);
  const TurnRatio ratio = turn_ratio(turns.before, turns.after);
  const std::string table = after.count > 0 ? render_table(context_table(result), width) : "";
  if (after.count > 0)
    text += fmt::format("Achieved at depth {}, {} runs in turns: {} ms per token; {}\n", depth, after.count,
                        middle(turns.after), apart(result, turns.predicted_after, turns.after));
  if (before.count > 0)
    text += fmt::format("With the defaults: {} ms per token; {}\nThe table takes {} of the defaults' time\n",
                        middle(turns.before), apart(result, turns.predicted_before, turns.before), ratio_text(ratio));
  if (prefill && !turns.prompt_after.empty()) {
    text += fmt::format("Prompt: {} ms per token", middle(turns.prompt_after));
    if (!turns.prompt_before.empty())
      text += fmt::format("; with the defaults {}; {}", middle(turns.prompt_before),
                          ratio_text(turn_ratio(turns.prompt_before, turns.prompt_after)));
    text += "\n";
  }
  text += verdict(result, ratio) + "\n";
  return wrap_lines(taken_back, width, 2) + table + wrap_lines(text, width, 2);
}

}  // namespace assay
