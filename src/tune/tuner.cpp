// From a model to a dispatch table whose promise is kept.
#include "tune/tuner.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/step_program.h"
#include "measure/worker_process.h"
#include "spec/completion.h"
#include "tune/search.h"
#include "tune/trial_order.h"
#include "tune/tune_state.h"
#include "tune/tune_text.h"

namespace assay {
namespace {

constexpr double kSearchShare = 0.6;  // of the budget; the rest is for the proof
constexpr int kLeastTurns = 5;
constexpr double kPays = 0.995;  // of the default's time where it runs
constexpr double kPairsThatPay = 0.8;

/// Kernels with threads of their own would meet the engine's on the same processors; ceilings go with the sweep.
std::vector<const Variant*> engine_variants(const std::vector<const Variant*>& variants) {
  std::vector<const Variant*> usable;
  for (const Variant* v : variants)
    if (v->role != Role::kernel || v->threading != Threading::own) usable.push_back(v);
  return usable;
}

class Tuner {
 public:
  Tuner(const TuneRequest& request, const TuneEvents& events)
      : r_(request), events_(events), variants_(engine_variants(request.variants)), began_ns_(now_ns()) {}

  TuneResult run() {
    list_step();
    plan();
    TuneState state(*r_.store, identity());
    if (auto known = state.finished(); known && !r_.fresh && (known->untried == 0 || r_.budget_s <= state.budget_s())) {
      known->from_store = true;
      return std::move(*known);
    }
    if (!search(state)) return interrupted_result();
    choose();
    result_.section = section_with_steps();
    say(choice_text(result_, r_.context.depth, r_.prefill));
    state.predicted(result_.predicted_before_ms, result_.predicted_ms);
    if (r_.proves && !prove(state)) return interrupted_result();
    if (r_.proves) say(proof_text(result_, r_.context.depth, r_.prefill));
    result_.text = text_;
    if (r_.proves) state.finish(result_);
    return std::move(result_);
  }

 private:
  void say(const std::string& text) {
    text_ += text;
    if (events_.say) events_.say(text);
  }

  TuneResult interrupted_result() {
    result_.interrupted = true;
    result_.text = text_;
    return std::move(result_);
  }

  /// Without waiting for others.
  double spent_s() const { return double(now_ns() - began_ns_) * 1e-9 - sweep_->waited_s(); }

  void list_step() {
    const LoadedModel model{std::filesystem::path(r_.model)};
    StepShape shape;
    shape.length = r_.context.depth + (r_.context.tokens + 1) / 2;
    shape.cache = *parse_dtype(r_.context.cache_type);
    const KernelChooser chooser(r_.device, variants_, r_.default_section, {});
    shape.fuses_swiglu = fuses_swiglu(model.file(), model.config(), {}, chooser);
    for (StepOp& op : engine_step(model.file(), model.config(), shape)) {
      TunedOp tuned;
      tuned.before.decode = chooser.choose(op.spec).variant;
      if (op.prompt && op.spec.op->multiplies_weights())
        tuned.before.prompt = chooser.choose(*op.prompt, tuned.before.decode->accuracy).variant;
      tuned.op = std::move(op);
      result_.step.push_back(std::move(tuned));
    }
  }

  Accuracy least_accurate(const TunedOp& tuned) const { return r_.accuracy.value_or(tuned.before.decode->accuracy); }
  bool measures_prompt(const TunedOp& tuned) const {
    return r_.prefill && tuned.op.prompt_runs && tuned.op.spec.op->multiplies_weights();
  }

  void plan() {
    std::vector<Spec> specs;
    std::map<std::string, Accuracy> limits;
    const auto add = [&](const Spec& spec, const TunedOp& tuned) {
      specs.push_back(spec);
      Accuracy& limit = limits[spec.math_line()];
      limit = std::max(limit, least_accurate(tuned));
    };
    for (const TunedOp& tuned : result_.step) add(tuned.op.spec, tuned);
    for (const TunedOp& tuned : result_.step)
      if (measures_prompt(tuned)) add(*tuned.op.prompt, tuned);
    Selection selection;
    selection.disabled_too = true;
    Plan plan = make_plan(specs, variants_, r_.device, selection);
    for (PlannedSpec& planned : plan.specs)
      std::erase_if(planned.cases, [limit = limits[planned.spec.math_line()]](const PlannedCase& c) {
        return c.variant->accuracy > limit;
      });
    planned_ = plan.specs;
    SweepOptions options;
    options.quick = true;
    options.fresh = r_.fresh;
    options.environment = r_.environment;
    options.effort = Effort::of(r_.device, false);
    sweep_ = std::make_unique<Sweep>(*r_.backend, r_.device, r_.variants, std::move(plan), *r_.cache, *r_.store,
                                     options, events_.sweep);
  }

  std::string identity() const {
    std::string text =
        fmt::format("tune 2\n{}\ndepth {}, {} tokens, cache {}, prefill {}, mix {}, turns {}, proves {}, accuracy {}\n",
                    sweep_->plan_identity(), r_.context.depth, r_.context.tokens, r_.context.cache_type, r_.prefill,
                    r_.mix, r_.turns, r_.proves, r_.accuracy ? accuracy_name(*r_.accuracy) : "default");
    for (const TunedOp& tuned : result_.step)
      text += fmt::format("{} x {}\n", tuned.op.spec.math_line(), tuned.op.calls);
    text += r_.device.identity() + table_text(table_of(*r_.default_section, "", ""));
    return hash_hex(text);
  }

  bool search(TuneState& state) {
    const std::vector<PastTime> past = r_.store->past_times();
    std::vector<SearchSpec> specs(planned_.size());
    std::map<std::string, std::pair<double, std::string>> known;  // weight, default, by spec
    for (const TunedOp& t : result_.step) {
      known[t.op.spec.math_line()] = {double(t.op.calls), t.before.decode->id()};
      if (measures_prompt(t))
        known[t.op.prompt->math_line()] = {double(t.op.calls) * r_.mix / 64, t.before.prompt->id()};
    }
    size_t cases = 0;
    for (size_t i = 0; i < planned_.size(); ++i) {
      const auto& [weight, usual] = known[planned_[i].spec.math_line()];
      specs[i] = {weight, trial_order(planned_[i], usual, past, r_.device.kind)};
      cases += planned_[i].cases.size();
    }
    SearchOptions options;
    options.seconds = r_.budget_s * kSearchShare;
    options.effort = Effort::of(r_.device, false);
    options.again = r_.fresh || !state.searched();
    Search search(*sweep_, std::move(specs), options, events_.sweep.on_revisit);
    result_.candidates = cases;
    if (events_.on_plan) events_.on_plan(cases, search.untried());
    // What was found out within a budget stands until there is more time or there are more kernels.
    if (state.searched() && !r_.fresh && r_.budget_s <= state.budget_s()) return done(search);
    if (!search.run()) return false;
    state.search_ended(r_.budget_s);
    return done(search);
  }
  bool done(const Search& search) {
    result_.untried = search.untried();
    return true;
  }

  const RankedSpec& ranked(const Spec& spec) const {
    static const RankedSpec kNothing;
    const auto found = std::find_if(report_.specs.begin(), report_.specs.end(),
                                    [&](const RankedSpec& s) { return s.math_line == spec.math_line(); });
    return found == report_.specs.end() ? kNothing : *found;
  }

  void choose() {
    report_ = sweep_->report({});
    PairOptions options;
    options.variants = variants_;
    options.device = &r_.device;
    options.mix = r_.mix;
    for (TunedOp& tuned : result_.step) {
      options.accuracy = least_accurate(tuned);
      const RankedSpec& decode = ranked(tuned.op.spec);
      choose_kernels(tuned, decode, measures_prompt(tuned) ? ranked(*tuned.op.prompt) : RankedSpec(), options);
      result_.floor_ms += double(tuned.op.calls) * decode.floor_us * 1e-3;
      if (tuned.after_us <= 0) result_.unmeasured.push_back(tuned.op.spec.math_line());
    }
    predict();
  }

  void predict() {
    result_.predicted_ms = result_.predicted_before_ms = 0;
    for (const TunedOp& tuned : result_.step) {
      result_.predicted_ms += double(tuned.op.calls) * tuned.after_us * 1e-3;
      result_.predicted_before_ms += double(tuned.op.calls) * tuned.before_us * 1e-3;
    }
  }

  TableDevice section() const {
    SectionRequest request;
    request.properties = r_.properties;
    request.method = kMethodVersion;
    request.defaults = r_.default_section;
    request.earlier = r_.earlier;
    request.source_of = [this](const Variant& v) { return r_.cache->key(v, *choose_isa(v, r_.device)).hash; };
    return make_section(result_.step, request);
  }

  TableDevice section_with_steps() const {
    TableDevice section = this->section();
    if (r_.earlier) section.steps = r_.earlier->steps;
    const TableStep step = foretold_and_achieved();
    std::erase_if(section.steps, [&](const TableStep& s) { return s.model == step.model && s.depth == step.depth; });
    section.steps.push_back(step);
    return section;
  }

  TableStep foretold_and_achieved() const {
    const Summary after = summarize(result_.turns.after), before = summarize(result_.turns.before);
    TableStep step{std::filesystem::path(r_.model).filename().string(), r_.context.depth, result_.floor_ms};
    if (result_.unmeasured.empty())
      step.predicted_ms = result_.predicted_ms, step.default_predicted_ms = result_.predicted_before_ms;
    if (after.count > 0) step.achieved_ms = after.median, step.low_ms = after.ci_low, step.high_ms = after.ci_high;
    if (before.count > 0) step.default_achieved_ms = before.median;
    return step;
  }

  bool any_change() const {
    return std::any_of(result_.step.begin(), result_.step.end(), [](const TunedOp& t) { return t.is_changed(); });
  }

  DispatchTable new_table() const { return table_of(section(), r_.made_by, "the new table"); }
  DispatchTable old_table() const { return table_of(*r_.default_section, "", "the defaults"); }

  /// The runs of these tables, in turns ABBA, as many pairs as wanted; those of an earlier attempt count. False if
  /// interrupted.
  bool take_turns(TuneState& state, ContextBench& bench, size_t pairs, bool with_old, int turn_of, int turns) {
    const DispatchTable tables[2] = {old_table(), new_table()};
    const std::string ids[2] = {hash_hex(table_text(tables[0])), hash_hex(table_text(tables[1]))};
    const auto missing = [&](int which) { return state.runs(ids[which]).size() < pairs; };
    double run_s = 0;
    for (size_t pair = 0; pair < pairs; ++pair)
      for (const int place : {0, 1}) {
        const int which = (pair % 2 == 0) == (place == 0) ? 0 : 1;
        if ((which == 0 && !with_old) || !missing(which) || state.runs(ids[which]).size() > pair) continue;
        const int done = turn_of + int(pair) * 2 + place;
        if (events_.on_turn) events_.on_turn(done, turns, run_s * double(turns - done));
        const int64_t began = now_ns();
        const auto run = bench.run(tables[which]);
        if (!run) return false;
        run_s = double(now_ns() - began) * 1e-9;
        state.add_run(ids[which], *run);
        // A proof that would take far longer than what was asked for is cut, not below what an interval needs.
        if (spent_s() > 1.2 * r_.budget_s && pair + 1 >= size_t(kLeastTurns) && place == 1) pairs = pair + 1;
      }
    old_runs_ = with_old ? state.runs(ids[0]) : std::vector<ContextRun>();
    new_runs_ = state.runs(ids[1]);
    return true;
  }

  /// What stays the same from token to token.
  static std::string without_length(const SpecFields& fields) {
    std::string text;
    for (const auto& [key, value] : fields)
      if (key != "length" && key != "capacity") text += key + "=" + value + " ";
    return text;
  }
  /// Time of an op where it runs, in one child.
  static double us_in_context(const ContextRun& run, const TunedOp& tuned) {
    const std::string wanted = without_length(tuned.op.spec.math);
    for (const ContextOp& op : run.ops)
      if (without_length(parse_spec_fields(op.spec)) == wanted) return op.us;
    return 0;
  }

  /// Entries that are not faster where they run are taken back. Whether there was one.
  bool take_back() {
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
  void take_back(TunedOp& tuned, const std::string& why) {
    tuned.taken_back = why;
    tuned.after = tuned.before;
    tuned.after_us = tuned.before_us;
    tuned.prompt_after_us = tuned.prompt_before_us;
    tuned.result.clear(), tuned.ties.clear(), tuned.margin_percent = 0;
  }

  bool prove(TuneState& state) {
    ContextBench bench(r_.context);
    const bool changed = any_change();
    const int turns = 2 * r_.turns + (changed ? 2 * kLeastTurns : 0);
    if (changed) {
      if (!take_turns(state, bench, kLeastTurns, true, 0, turns)) return false;
      if (take_back()) predict();
    }
    const bool still_changed = any_change();
    if (!take_turns(state, bench, size_t(r_.turns), changed || still_changed, changed ? 2 * kLeastTurns : 0, turns))
      return false;
    fill_turns();
    if (still_changed && turn_ratio(result_.turns.before, result_.turns.after).low > 1) {
      for (TunedOp& tuned : result_.step)
        if (tuned.is_changed()) take_back(tuned, "the step as a whole was slower with it");
      predict();
      new_runs_ = old_runs_;
      fill_turns();
    }
    result_.section = section_with_steps();
    return true;
  }

  void fill_turns() {
    const bool is_default = !any_change();
    Turns turns;
    const auto put = [](const std::vector<ContextRun>& runs, std::vector<double>& ms, std::vector<double>& prompt_ms) {
      for (const ContextRun& run : runs) {
        ms.push_back(run.ms_per_token);
        if (run.prompt_ms_per_token > 0) prompt_ms.push_back(run.prompt_ms_per_token);
      }
    };
    if (!is_default) put(old_runs_, turns.before, turns.prompt_before);
    put(new_runs_, turns.after, turns.prompt_after);
    result_.turns = std::move(turns);
    for (TunedOp& tuned : result_.step) {
      std::vector<double> us;
      for (const ContextRun& run : new_runs_) us.push_back(us_in_context(run, tuned));
      tuned.in_context_us = us.empty() ? 0 : percentile(us, 50);
    }
  }

  const TuneRequest& r_;
  const TuneEvents& events_;
  const std::vector<const Variant*> variants_;
  const int64_t began_ns_;
  TuneResult result_;
  std::vector<PlannedSpec> planned_;
  std::unique_ptr<Sweep> sweep_;
  SweepReport report_;
  std::vector<ContextRun> old_runs_, new_runs_;
  std::string text_;
};

}  // namespace

bool TuneResult::is_default_best() const {
  return std::none_of(step.begin(), step.end(), [](const TunedOp& t) { return t.is_changed(); });
}

TuneResult tune(const TuneRequest& request, const TuneEvents& events) { return Tuner(request, events).run(); }

}  // namespace assay
