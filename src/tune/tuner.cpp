// From a model to a dispatch table whose promise is kept.
#include "tune/tuner.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <span>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/step_program.h"
#include "measure/worker_process.h"
#include "spec/completion.h"
#include "stats/middle_half.h"
#include "stats/summary.h"
#include "tune/alone_times.h"
#include "tune/proof.h"
#include "tune/search.h"
#include "tune/trial_order.h"
#include "tune/tune_state.h"
#include "tune/tune_text.h"

namespace assay {
namespace {

constexpr double kRunMs = 300;         // that a child decodes: many short runs stand more drift than few long ones
constexpr double kSearchShare = 0.55;  // of the budget; the rest is for the proof
constexpr int kTurnsOfPrediction = 6, kRoundsOfPrediction = 4;  // of each table

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
    if (!foretell()) return interrupted_result();
    result_.section = section_with_steps();
    say_report(choice_text);
    if (r_.proves && !is_proved(state)) return interrupted_result();
    if (r_.proves) say_report(proof_text);
    result_.text = text_;
    if (r_.proves) state.finish(result_);
    return std::move(result_);
  }

 private:
  void say(const std::string& text) { say(text, text); }
  void say(const std::string& to_keep, const std::string& shown) {
    text_ += to_keep;
    if (events_.say) events_.say(shown);
  }
  /// What is kept is as wide as it needs to be: where it will be shown nobody knows.
  void say_report(std::string (*report)(const TuneResult&, int64_t depth, bool prefill, size_t width)) {
    const auto of_width = [&](size_t width) { return report(result_, r_.context.depth, r_.prefill, width); };
    say(of_width(0), of_width(events_.width));
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
    const KernelChooser chooser(r_.device, r_.variants, r_.default_section, {}, r_.shipped);
    shape.fuses_swiglu = fuses_swiglu(model.file(), model.config(), {}, chooser);
    EngineStep step = engine_step(model.file(), model.config(), shape);
    launches_ = std::move(step.launches);
    for (StepOp& op : step.ops) {
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
        fmt::format("tune 6\n{}\ndepth {}, {} tokens, cache {}, prefill {}, mix {}, turns {}, proves {}, accuracy {}\n",
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
    }
  }

  /// The search measures one spec after the other, minutes before the model runs, and memory has another rate by then:
  /// what it chose and the defaults are measured again, in turns. False if interrupted.
  bool foretell() {
    const auto note = [this](const std::string& line) {
      if (events_.sweep.note) events_.sweep.note(line);
    };
    AloneSamples alone[2];  // by the defaults, by the new kernels
    try {
      alone_ =
          std::make_unique<AloneTimes>(result_.step, launches_, AloneRequest{r_.backend, &r_.device, r_.cache, note});
      for (int i = 0; i < kTurnsOfPrediction; ++i)
        for (const bool with_new : {true, false})
          if (!alone_->measure(decode_kernels(result_.step, with_new), kRoundsOfPrediction, alone[with_new]))
            return false;
    } catch (const Error& e) {
      alone_.reset();
      say(fmt::format("The prediction sums times of the search, minutes apart: {}\n", e.what()));
    }
    for (size_t i = 0; i < result_.step.size(); ++i) {
      TunedOp& tuned = result_.step[i];
      if (alone_) {
        tuned.after_us = alone[true].us_of(i), tuned.before_us = alone[false].us_of(i);
        const bool is_by_decode = tuned.before.decode != tuned.after.decode && !measures_prompt(tuned);
        if (is_by_decode && tuned.after_us >= tuned.before_us)
          take_back(tuned, fmt::format("behind the ops before it {} took {:.2f} us, the default {:.2f}",
                                       tuned.after.decode->id(), tuned.after_us, tuned.before_us));
      }
    }
    if (alone_) stand_by(alone[true], alone[false]);
    for (const TunedOp& tuned : result_.step)
      if (tuned.after_us <= 0) result_.unmeasured.push_back(tuned.op.spec.math_line());
    predict(result_);
    return true;
  }

  /// The times of the kernels that stand after all: rounds of both tables took turns, so of each op those count.
  void stand_by(AloneSamples samples, const AloneSamples& of_defaults) {
    for (size_t i = 0; i < result_.step.size(); ++i)
      if (!result_.step[i].taken_back.empty()) samples.us[i] = of_defaults.us[i];
    for (size_t i = 0; i < result_.step.size(); ++i) result_.step[i].after_us = samples.us_of(i);
    result_.alone_between_ms = samples.between_ms();
    const StepTime step = step_time(samples.step_ms());
    result_.predicted_low_ms = step.low, result_.predicted_high_ms = step.high;
  }

  TableDevice section() const {
    SectionRequest request;
    request.properties = r_.properties;
    request.method = kMethodVersion;
    request.defaults = r_.default_section;
    request.earlier = r_.earlier;
    request.source_of = [this](const Variant& v) { return r_.cache->key(v, *choose_isa(v, r_.device)).hash; };
    std::vector<TunedOp> step = result_.step;
    // A kernel that was dropped in is not there in a later run, which would refuse the entry for its tie.
    const auto dropped_in = std::span(r_.variants).subspan(std::min(r_.shipped, r_.variants.size()));
    for (TunedOp& tuned : step)
      for (const Variant* v : dropped_in)
        if (!tuned.after.decode || tuned.after.decode->id() != v->id()) std::erase(tuned.ties, v->id());
    return make_section(step, request);
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

  /// False if interrupted.
  bool is_proved(TuneState& state) {
    ProofRequest request;
    request.context = r_.context;
    if (const double ms = result_.predicted_ms * double(r_.context.tokens); ms > 0)
      request.context.repetitions = std::clamp<int64_t>(std::llround(kRunMs / ms), 1, r_.context.repetitions);
    request.turns = r_.turns, request.budget_s = r_.budget_s, request.prefill = r_.prefill;
    request.alone = alone_.get();
    request.defaults = table_of(*r_.default_section, "", "the defaults");
    request.chosen = [this] { return table_of(section(), r_.made_by, "the new table"); };
    request.spent_s = [this] { return spent_s(); };
    request.on_turn = events_.on_turn;
    if (!prove(result_, state, request)) return false;
    result_.section = section_with_steps();
    return true;
  }

  const TuneRequest& r_;
  const TuneEvents& events_;
  const std::vector<const Variant*> variants_;
  const int64_t began_ns_;
  TuneResult result_;
  std::vector<StepLaunch> launches_;
  std::vector<PlannedSpec> planned_;
  std::unique_ptr<Sweep> sweep_;
  SweepReport report_;
  std::unique_ptr<AloneTimes> alone_;  // nullptr where memory has no room for the step
  std::string text_;
};

}  // namespace

bool TuneResult::is_default_best() const {
  return std::none_of(step.begin(), step.end(), [](const TunedOp& t) { return t.is_changed(); });
}

TuneResult tune(const TuneRequest& request, const TuneEvents& events) { return Tuner(request, events).run(); }

}  // namespace assay
