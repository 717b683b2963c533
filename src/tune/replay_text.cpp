// A replay for people and for programs.
#include <algorithm>

#include "base/json.h"
#include "base/terminal.h"
#include "report/table.h"
#include "tune/replay.h"

namespace assay {
namespace {

using F = Column::Format;

double median_of(const std::vector<double>& values) { return summarize(values).median; }

double summed_ms(const ReplayStep& step, std::vector<double> ReplayOp::*times) {
  double ms = 0;
  for (const ReplayOp& op : step.ops) ms += double(op.calls) * median_of(op.*times) * 1e-3;
  return ms;
}

std::string interval(const std::vector<double>& values) {
  const Summary s = summarize(values);
  return fmt::format("{:.3f} ms ({:.3f} to {:.3f})", s.median, s.ci_low, s.ci_high);
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
  for (const ReplayOp& op : step.ops) {
    const double alone = median_of(op.alone_us), context = median_of(op.in_context_us);
    table.rows.push_back({op.role, op.spec.short_name(), double(op.calls), op.choice.variant->id(), alone,
                          has_context ? Cell(context) : Cell(), has_context ? Cell(context / alone) : Cell(),
                          double(op.calls) * (has_context ? context : alone) * 1e-3});
  }
  const double summed = summed_ms(step, &ReplayOp::alone_us), context = summed_ms(step, &ReplayOp::in_context_us);
  table.sums = {"all", "", double(step.launches.size()), "", Cell(), Cell(), Cell(), has_context ? context : summed};
  std::string text = fmt::format("Summed, each op alone in a chain of its calls: {:.3f} ms\n", summed);
  for (const ReplayBatch& batch : batches) {
    const double ms = median_of(batch.ms);
    text += fmt::format("{} launches a submission ({} submissions): {}, {:.3f} of the sum, {:.1f} tokens/s\n",
                        batch.launches, batch.submissions, interval(batch.ms), summed > 0 ? ms / summed : 0,
                        ms > 0 ? 1e3 / ms : 0);
  }
  if (const double us = submission_us(batches); us != 0)
    text += fmt::format("A submission costs {:.2f} us beyond its work: {:.3f} ms of a step with one launch each\n", us,
                        us * 1e-3 * double(step.launches.size()));
  return render_table(table, width, colour) + wrap_lines(text, width, 2);
}

std::string replay_json(const ReplayStep& step, const std::vector<ReplayBatch>& batches, const std::string& device) {
  Json json = {{"device", device},
               {"launches", step.launches.size()},
               {"summed_ms", summed_ms(step, &ReplayOp::alone_us)},
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
    json["batches"].push_back({{"launches", batch.launches}, {"submissions", batch.submissions}, {"ms", batch.ms}});
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay
