// Runs of two tables in turns.
#include "tune/proof.h"

#include <algorithm>

#include "base/clock.h"
#include "base/hash.h"
#include "stats/middle_half.h"
#include "stats/summary.h"
#include "tune/tune_text.h"

namespace assay {
namespace {

constexpr int kLeastTurns = 5;
constexpr int kMostRoundsBeforeRun = 8, kLeastRoundsBeforeRun = 4;
constexpr double kBeforeRunMs = 400;
constexpr double kLaunchedPerRound = 3;  // steps: each op stands behind others
constexpr double kMostOfBudget = 1.45;
constexpr double kPays = 0.995;  // of the default's time where it runs
constexpr double kPairsThatPay = 0.8;

/// What stays the same from token to token.
std::string without_length(const SpecFields& fields) {
  std::string text;
  for (const auto& [key, value] : fields)
    if (key != "length" && key != "capacity") text += key + "=" + value + " ";
  return text;
}

/// Time of an op where it runs, in one child.
double us_in_context(const ContextRun& run, const TunedOp& tuned) {
  const std::string wanted = without_length(tuned.op.spec.math);
  for (const ContextOp& op : run.ops)
    if (without_length(parse_spec_fields(op.spec)) == wanted) return op.us;
  return 0;
}

class ProofInContext {
 public:
  ProofInContext(TuneResult& result, TuneState& state, const ProofRequest& request)
      : result_(result), state_(state), r_(request), bench_(request.context) {}

  bool run() {
    const bool changed = !result_.is_default_best();
    const int before = changed ? 2 * kLeastTurns : 0, turns = 2 * r_.turns + before;
    bool is_another = false;
    if (changed) {
      if (!take_turns(kLeastTurns, true, 0, turns)) return false;
      is_another = take_back_what_does_not_pay();
      if (is_another) predict(result_);
    }
    const bool still_changed = !result_.is_default_best();
    // A part was taken back: what is left is a table that has not run. The defaults run beside it once more, where
    // there is time, so that the turns of a pair stand beside each other.
    if (is_another && still_changed && r_.spent_s() + 2 * r_.turns * run_s_ < kMostOfBudget * r_.budget_s)
      skipped_ = kLeastTurns;
    if (!take_turns(size_t(r_.turns), still_changed, before, turns)) return false;
    fill_in();
    if (still_changed && turn_ratio(result_.turns.before, result_.turns.after).low > 1) {
      for (TunedOp& tuned : result_.step)
        if (tuned.is_changed()) take_back(tuned, "the step as a whole was slower with it");
      predict(result_);
      new_runs_ = old_runs_;
      fill_in();
    }
    return true;
  }

 private:
  /// Just before a run with a table: what its ops take alone now. False if interrupted.
  bool foretell(ContextRun& run, bool with_new) {
    run.predicted_ms = with_new ? result_.predicted_ms : result_.predicted_before_ms;
    if (!r_.alone) return true;
    AloneSamples samples;
    const int rounds = std::clamp(int(kBeforeRunMs / (kLaunchedPerRound * std::max(run.predicted_ms, 1e-3))),
                                  kLeastRoundsBeforeRun, kMostRoundsBeforeRun);
    if (!r_.alone->measure(decode_kernels(result_.step, with_new), rounds, samples)) return false;
    for (size_t op = 0; op < samples.us.size(); ++op) run.alone_us.push_back(samples.us_of(op));
    run.alone_between_ms = samples.between_ms();
    run.predicted_ms = step_time(samples.step_ms()).mean;
    return true;
  }

  /// False if interrupted.
  bool take_turn(const DispatchTable& table, const std::string& id, bool with_new) {
    ContextRun foretold;
    if (!foretell(foretold, with_new)) return false;
    state_.predicted(id, foretold.predicted_ms);
    auto run = bench_.run(table);
    if (!run) return false;
    run->alone_us = std::move(foretold.alone_us);
    run->alone_between_ms = foretold.alone_between_ms, run->predicted_ms = foretold.predicted_ms;
    state_.add_run(id, *run);
    return true;
  }

  /// Runs in turns ABBA, as many pairs as wanted; those of an earlier attempt count. So do the defaults' where all was
  /// taken back: they are runs of what stands. False if interrupted.
  bool take_turns(size_t pairs, bool with_old, int turn_of, int turns) {
    const DispatchTable tables[2] = {r_.defaults, result_.is_default_best() ? r_.defaults : r_.chosen()};
    const std::string ids[2] = {hash_hex(table_text(tables[0])), hash_hex(table_text(tables[1]))};
    for (size_t pair = 0; pair < pairs; ++pair)
      for (const int place : {0, 1}) {
        const int which = (pair % 2 == 0) == (place == 0) ? 0 : 1;
        if ((which == 0 && !with_old) || runs_of(ids[which], which).size() > pair) continue;
        const int done = turn_of + int(pair) * 2 + place;
        if (r_.on_turn) r_.on_turn(done, turns, run_s_ * double(turns - done));
        const int64_t began = now_ns();
        if (!take_turn(tables[which], ids[which], which == 1)) return false;
        run_s_ = double(now_ns() - began) * 1e-9;
        // A proof that would take far longer than what was asked for is cut, not below what an interval needs.
        if (r_.spent_s() > kMostOfBudget * r_.budget_s && pair + 1 >= size_t(kLeastTurns) && place == 1)
          pairs = pair + 1;
      }
    old_runs_ = with_old ? runs_of(ids[0], 0) : std::vector<ContextRun>();
    new_runs_ = runs_of(ids[1], 1);
    return true;
  }

  /// Without those of the defaults that stood beside another table.
  std::vector<ContextRun> runs_of(const std::string& id, int which) const {
    std::vector<ContextRun> runs = state_.runs(id);
    if (which == 0) runs.erase(runs.begin(), runs.begin() + std::min(std::ssize(runs), std::ptrdiff_t(skipped_)));
    return runs;
  }

  /// Entries that are not faster where they run. Whether there was one.
  bool take_back_what_does_not_pay() {
    bool any = false;
    for (TunedOp& tuned : result_.step) {
      if (!tuned.is_changed()) continue;
      std::vector<double> ratios;
      for (size_t i = 0; i < std::min(old_runs_.size(), new_runs_.size()); ++i) {
        const double old_us = us_in_context(old_runs_[i], tuned), new_us = us_in_context(new_runs_[i], tuned);
        if (old_us > 0 && new_us > 0) ratios.push_back(new_us / old_us);
      }
      const auto faster = std::count_if(ratios.begin(), ratios.end(), [](double ratio) { return ratio < 1; });
      const double median = summarize(ratios).median;
      if (!ratios.empty() && median < kPays && double(faster) >= kPairsThatPay * double(ratios.size())) continue;
      // A kernel for prompts alone was not run by a decode step.
      if (tuned.before.decode == tuned.after.decode && r_.prefill) continue;
      take_back(tuned,
                fmt::format("{} was {:.2f} us alone against {:.2f}, in context {:.3f} of the default's time, faster "
                            "in {} of {} turns",
                            tuned.after.decode->id(), tuned.after_us, tuned.before_us, median, faster, ratios.size()));
      any = true;
    }
    return any;
  }

  void fill_in() {
    const bool is_default = result_.is_default_best();
    Turns turns;
    const auto put = [](const std::vector<ContextRun>& runs, std::vector<double>& ms, std::vector<double>& predicted_ms,
                        std::vector<double>& prompt_ms) {
      for (const ContextRun& run : runs) {
        ms.push_back(run.ms_per_token), predicted_ms.push_back(run.predicted_ms);
        if (run.prompt_ms_per_token > 0) prompt_ms.push_back(run.prompt_ms_per_token);
      }
    };
    if (!is_default) put(old_runs_, turns.before, turns.predicted_before, turns.prompt_before);
    put(new_runs_, turns.after, turns.predicted_after, turns.prompt_after);
    result_.predicted_ms = percentile(turns.predicted_after, 50);
    if (!is_default) result_.predicted_before_ms = percentile(turns.predicted_before, 50);
    result_.turns = std::move(turns);
    for (size_t i = 0; i < result_.step.size(); ++i) {
      TunedOp& tuned = result_.step[i];
      std::vector<double> us, alone_us;
      for (const ContextRun& run : new_runs_) {
        us.push_back(us_in_context(run, tuned));
        if (i < run.alone_us.size()) alone_us.push_back(run.alone_us[i]);
      }
      tuned.in_context_us = us.empty() ? 0 : percentile(us, 50);
      if (!alone_us.empty()) tuned.after_us = percentile(alone_us, 50);
    }
    std::vector<double> between_ms, alone_between_ms;
    for (const ContextRun& run : new_runs_)
      between_ms.push_back(run.between_ms), alone_between_ms.push_back(run.alone_between_ms);
    result_.between_ms = percentile(between_ms, 50);
    if (r_.alone) result_.alone_between_ms = percentile(alone_between_ms, 50);
  }

  TuneResult& result_;
  TuneState& state_;
  const ProofRequest& r_;
  ContextBench bench_;
  std::vector<ContextRun> old_runs_, new_runs_;
  int skipped_ = 0;
  double run_s_ = 0;
};

}  // namespace

bool prove(TuneResult& result, TuneState& state, const ProofRequest& request) {
  return ProofInContext(result, state, request).run();
}

void predict(TuneResult& result) {
  result.predicted_ms = result.predicted_before_ms = result.alone_between_ms;
  for (const TunedOp& tuned : result.step) {
    result.predicted_ms += double(tuned.op.calls) * tuned.after_us * 1e-3;
    result.predicted_before_ms += double(tuned.op.calls) * tuned.before_us * 1e-3;
  }
}

}  // namespace assay
