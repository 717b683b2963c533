// A replay for people and for programs.
#include <algorithm>

#include "base/json.h"
#include "base/terminal.h"
#include "report/table.h"
#include "stats/middle_half.h"
#include "tune/replay.h"

namespace assay {
namespace {

using F = Column::Format;

double median_of(const std::vector<double>& values) { return summarize(values).median; }

/// Of each round what all calls take together, in ms: as a pass of the whole step, a round holds what disturbs one.
std::vector<double> rounds_ms(const ReplayStep& step, std::vector<double> ReplayOp::*times) {
  size_t rounds = SIZE_MAX;
  for (const ReplayOp& op : step.ops)
    if (!(op.*times).empty()) rounds = std::min(rounds, (op.*times).size());
  std::vector<double> sums(rounds == SIZE_MAX ? 0 : rounds);
  for (const ReplayOp& op : step.ops)
    for (size_t i = 0; i < sums.size() && !(op.*times).empty(); ++i)
      sums[i] += double(op.calls) * (op.*times)[i] * 1e-3;
  return sums;
}

/// Of a call, over the rounds that the sum is of.
double us_of(const std::vector<double>& us, const std::vector<double>& rounds) {
  return us.empty() ? 0 : mean_over(us, middle_half(rounds));
}

std::string interval(const std::vector<double>& ms) {
  const StepTime s = step_time(ms);
  return fmt::format("{:.3f} ms ({:.3f} to {:.3f})", s.mean, s.low, s.high);
}

/// How the step runs on a device with a clock, and which part of that is launches.
std::string device_text(const ReplayStep& step, double summed) {
  const ReplayDeviceTimes& d = step.device;
  std::string text;
  const auto add = [&](const char* how, const std::vector<double>& ms, const std::vector<double>& empty_ms) {
    if (ms.empty()) return;
    const double whole = step_time(ms).mean, empty = step_time(empty_ms).mean;
    text += fmt::format("The step {}: {} on the device, {:.3f} of the sum, {:.0f} tokens/s\n", how, interval(ms),
                        summed > 0 ? whole / summed : 0, 1e3 / whole);
    if (!empty_ms.empty())
      text += fmt::format("  of it launches: {} empty ones take {:.3f} ms so, {:.0f} % ({:.2f} us each)\n",
                          step.launches.size(), empty, 100 * empty / whole, empty * 1e3 / double(step.launches.size()));
  };
  add("chained", d.chained_ms, d.empty_chained_ms);
  add("one launch after another", d.plain_ms, d.empty_plain_ms);
  return text;
}

}  // namespace

std::string replay_text(const ReplayStep& step, const std::vector<ReplayBatch>& batches, const std::string& title,
                        size_t width, bool colour) {
  Table table{title,
              {{"role", "op", F::text, 9},
               {"spec", "spec", F::text, 4, 12},
               {"calls", "calls", F::whole, 6},
               {"variant", "kernel", F::text, 8, 14},
               {"alone_us", "us alone", F::fixed2, 9},
               {"in_context_us", "in context", F::fixed2, 9},
               {"ratio", "ratio", F::fixed2, 7},
               {"ms", "ms", F::fixed3, 8}},
              {},
              {},
              {}};
  const bool has_context =
      std::any_of(step.ops.begin(), step.ops.end(), [](auto& op) { return !op.in_context_us.empty(); });
  const std::vector<double> alone_ms = rounds_ms(step, &ReplayOp::alone_us),
                            context_ms = rounds_ms(step, &ReplayOp::in_context_us);
  for (const ReplayOp& op : step.ops) {
    const double alone = us_of(op.alone_us, alone_ms), context = us_of(op.in_context_us, context_ms);
    table.rows.push_back({op.role, op.spec.short_name(), double(op.calls), op.choice.variant->id(), alone,
                          has_context ? Cell(context) : Cell(), has_context ? Cell(context / alone) : Cell(),
                          double(op.calls) * (has_context ? context : alone) * 1e-3});
  }
  const double summed = step_time(alone_ms).mean, context = step_time(context_ms).mean;
  table.sums = {"all", "", double(step.launches.size()), "", Cell(), Cell(), Cell(), has_context ? context : summed};
  std::string text = fmt::format("Summed, each op alone in a chain of its calls: {}\n", interval(alone_ms));
  text += device_text(step, summed);
  for (const ReplayBatch& batch : batches) {
    const double ms = step_time(batch.ms).mean;
    text += fmt::format("{} launches a submission ({} submissions{}): {}, {:.3f} of the sum, {:.1f} tokens/s{}\n",
                        batch.launches, batch.submissions, batch.chained ? ", chained" : "", interval(batch.ms),
                        summed > 0 ? ms / summed : 0, ms > 0 ? 1e3 / ms : 0,
                        batch.submit_us.empty()
                            ? ""
                            : fmt::format("; submitting one takes the host {:.1f} us", median_of(batch.submit_us)));
  }
  if (const double us = submission_us(batches); us != 0)
    text += fmt::format("A submission costs {:.2f} us beyond its work: {:.3f} ms of a step with one launch each\n", us,
                        us * 1e-3 * double(step.launches.size()));
  return render_table(table, width, colour) + wrap_lines(text, width, 2);
}

std::string replay_json(const ReplayStep& step, const std::vector<ReplayBatch>& batches, const std::string& device) {
  Json json = {{"device", device},
               {"launches", step.launches.size()},
               {"summed_ms", step_time(rounds_ms(step, &ReplayOp::alone_us)).mean},
               {"submission_us", submission_us(batches)},
               {"ops", Json::array()},
               {"batches", Json::array()}};
  for (const ReplayOp& op : step.ops)
    json["ops"].push_back({{"role", op.role},
                           {"spec", op.spec.line()},
                           {"calls", op.calls},
                           {"variant", op.choice.variant->id()},
                           {"alone_us", op.alone_us},
                           {"in_context_us", op.in_context_us}});
  for (const ReplayBatch& batch : batches)
    json["batches"].push_back({{"launches", batch.launches},
                               {"submissions", batch.submissions},
                               {"chained", batch.chained},
                               {"ms", batch.ms},
                               {"submit_us", batch.submit_us}});
  json["device_ms"] = {{"chained", step.device.chained_ms},
                       {"plain", step.device.plain_ms},
                       {"empty_chained", step.device.empty_chained_ms},
                       {"empty_plain", step.device.empty_plain_ms}};
  return json.dump(2) + "\n";
}

}  // namespace assay
