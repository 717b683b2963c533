// The rounds of one spec.
#include "measure/rounds.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "base/stages.h"
#include "kernel/supports.h"
#include "measure/other_sizes.h"
#include "measure/winner_checks.h"

namespace assay {
namespace {

constexpr double kLeastAwakeMs = 20;  // behind what is launched while all are let run

std::vector<Accuracy> classes_of(const std::vector<CaseToRun>& cases) {
  std::vector<Accuracy> classes;
  for (const CaseToRun& work : cases) classes.push_back(work.variant->accuracy);
  return classes;
}

std::unique_ptr<SpecialValues> special_values_for(const Spec& spec, const std::vector<CaseToRun>& cases,
                                                  const DeviceInfo& device, const SpecialValues* like = nullptr) {
  const InStage stage(Stage::special);
  const auto takes_strides = [](const CaseToRun& c) { return c.variant->supports.strides; };
  // Each launch has them: who keeps the numbers of its first launch is wrong there.
  return SpecialValues::make(with_other_numbers(spec).value_or(spec),
                             std::any_of(cases.begin(), cases.end(), takes_strides),
                             !std::all_of(cases.begin(), cases.end(), takes_strides),
                             /*as_in_files=*/!device.one_worker, like);
}

class SpecRun {
 public:
  SpecRun(const Spec& spec, const std::vector<CaseToRun>& cases, const RoundsContext& context)
      : spec_(spec),
        context_(context),
        works_(cases),
        own_(context.proved
                 ? nullptr
                 : std::make_unique<ProvedSpec>(spec, *context.arenas,
                                                context.mode == Mode::hot ? 0 : context.footprint, classes_of(cases))),
        proved_(context.proved ? *context.proved : *own_),
        shorter_(context.device->launches_per_sample > 1 ? std::nullopt : SpecialValues::shorter_of(spec)),
        special_(context.special_values ? special_values_for(spec, cases, *context.device) : nullptr),
        shorter_special_(context.special_values && shorter_ ? shorter_values() : nullptr),
        other_sizes_(context.special_values ? other_sizes() : OtherSizesList()),
        standings_(spec_, context) {
    for (const CaseToRun& work : cases) standings_.cases.push_back(contender(work, &proved_.proof(), false));
    for (Contender& c : standings_.cases) share_storage(c);
    standings_.reader = contender(context.reader, nullptr, false);
    standings_.bulk_reader = contender(context.bulk_reader, nullptr, true);
    group();
  }

  ~SpecRun() {
    const InStage stage(Stage::end);
    for (Contender* c : standings_.everyone())
      if (c->worker) c->worker->kill();
    for (Contender* c : standings_.everyone()) c->worker.reset();
  }
  SpecRun(const SpecRun&) = delete;
  SpecRun& operator=(const SpecRun&) = delete;

  std::vector<CaseRecord> run() {
    for (Contender* reader : {&standings_.reader, &standings_.bulk_reader}) {
      start(*reader);
      if (!reader->running())
        fail("the kernel that reads {}'s bytes failed: {}", spec_.short_name(), reader->record.detail);
    }
    for (Contender& c : standings_.cases) {
      if (interrupted()) return {};
      if (context_.on_case) context_.on_case(*c.work->variant);
      start(c);
    }

    const int64_t deadline = now_ns() + int64_t(context_.effort.spec_budget_s * 1e9);
    play_round(/*head_to_head=*/false);
    standings_.let_losers_go();
    for (int round = 0; round < context_.effort.rounds && !interrupted(); ++round) {
      const int least = standings_.any_noisy() ? context_.effort.noisy_rounds : context_.effort.least_rounds;
      if (round >= least && (now_ns() > deadline || standings_.all_converged())) break;
      play_round(/*head_to_head=*/true);
      standings_.let_losers_go();
      if (const int played = round + 1; played >= 2 && (played & (played - 1)) == 0) standings_.keep_best();
    }
    if (interrupted()) return {};
    WinnerChecks checks(
        spec_, standings_, context_,
        {[this](Contender& c, const Command& command) { return ask(c, command); },
         special_by_chance() ? [this](Contender& c) { return try_special(c); } : std::function<Answer(Contender&)>(),
         [this](Contender& c, const Answer& answer) { take(c, answer, false); }});
    settle(checks);
    checks.run();
    return standings_.judge();
  }

 private:
  Contender contender(const CaseToRun& work, const Proof* proof, bool bulk) {
    Contender c;
    c.work = &work;
    c.record = empty_record(work.key, spec_, *work.variant, *context_.device, context_.mode);
    c.worker_case.backend = context_.backend;
    c.worker_case.device = context_.device;
    c.worker_case.variant = work.variant;
    c.worker_case.module = &work.module;
    c.worker_case.proof = proof;
    c.worker_case.inputs = &proved_.inputs();
    c.worker_case.special = special_.get();
    if (takes_shorter(*work.variant)) c.worker_case.shorter_special = shorter_special_.get();
    if (proof) c.worker_case.other_sizes = other_sizes_.for_kernel(*work.variant);
    if (proof && special_by_chance()) {
      c.worker_case.special_by_chance = true;
      c.worker_case.spacing =
          context_.winners->spacing.try_emplace(work.key.hash, draw_spacing(*work.variant)).first->second;
    }
    c.worker_case.first_visit = context_.special_values;
    c.worker_case.arenas = context_.arenas;
    c.worker_case.mode = context_.mode;
    c.worker_case.footprint = context_.footprint;
    c.worker_case.memory_limit = (int64_t(1) << 30) + context_.footprint + 8 * spec_.weight_bytes();
    c.worker_case.bulk = bulk;
    c.worker_case.order = order_;
    c.worker_case.counters = context_.counters;
    return c;
  }

  /// Who names a storage gets weights as the first makes them that names it, as in an engine, which makes them once.
  void share_storage(Contender& c) const {
    if (!c.work->variant->prepares || context_.device->one_worker) return;
    for (const Contender& other : standings_.cases) {
      const Variant& variant = *other.work->variant;
      if (!variant.prepares || variant.storage != c.work->variant->storage || variant.keeps_b) continue;
      if (&other == &c) return;
      c.worker_case.converter = &variant;
      c.worker_case.converter_module = &other.work->module;
      if (!takes_shorter(variant)) c.worker_case.shorter_special = nullptr;  // both make it
      if (other_sizes_.for_kernel(variant) != c.worker_case.other_sizes) c.worker_case.other_sizes = nullptr;
      return;
    }
  }

  /// A worker process for each case, or one for all where the device wants that.
  void group() {
    std::shared_ptr<WorkerGroup> workers;
    for (Contender* c : standings_.everyone()) {
      if (!workers || !context_.device->one_worker)
        workers = std::make_shared<WorkerGroup>(context_.effort.setup_watchdog_s);
      c->worker = workers;
      c->index = workers->add(c->worker_case);
    }
  }

  void start(Contender& c) {
    Command command;
    command.step = Step::setup;
    take(c, ask(c, command), false);
    c.record.prepare_us = c.last.prepare_us;
    c.record.prepared_bytes = c.last.prepared_bytes;
    c.record.workspace_bytes = c.last.workspace_bytes;
    c.record.registers = c.last.resources.registers;
    c.record.shared_bytes = c.last.resources.shared_bytes;
    c.record.local_bytes = c.last.resources.local_bytes;
    c.record.bytes = c.last.launch_bytes;
    if (context_.winners && c.last.swept_whole) context_.winners->swept.insert(c.work->key.hash);
    if (c.last.nondeterministic) c.record.tags.push_back("nondeterministic");
  }

  Answer ask(Contender& c, const Command& command) {
    const Effort& effort = context_.effort;
    return c.worker->ask(
        c.index, command,
        command.step == Step::sweep || command.step == Step::special ? effort.setup_watchdog_s : effort.watchdog_s);
  }

  /// Whether what may be crowned is launched on special values once more; else all cases are on all of them. Sequences
  /// of a GPU are one visit, and to open it anew takes longer than they do.
  bool special_by_chance() const {
    return context_.winners && spec_.op->is_product && !context_.effort.proves_all &&
           context_.device->launches_per_sample <= 1;
  }

  std::unique_ptr<SpecialValues> shorter_values() {
    return special_values_for(*shorter_, works_, *context_.device, special_.get());
  }

  /// Whether it is launched on fewer columns; where B is big at set-up on those alone.
  bool takes_shorter(const Variant& variant) const {
    return shorter_ && unsupported_reason(variant.supports, *shorter_).empty();
  }

  OtherSizesList other_sizes() const {
    const InStage stage(Stage::special);
    std::vector<const Variant*> kernels;
    for (const CaseToRun& c : works_) kernels.push_back(c.variant);
    const auto special = [this](const Spec& spec) { return special_values_for(spec, works_, *context_.device); };
    return {spec_, kernels, context_.device->one_worker, special};
  }

  /// Of one case in so many set-up makes special launches.
  std::optional<Spacing> draw_spacing(const Variant& variant) {
    const bool is_dear = spec_.weight_bytes() > kLargeSpecialBytes && !takes_shorter(variant);
    const uint64_t of = is_dear ? 3 : 2, drawn = random_();
    if (drawn % of != 0) return {};
    return drawn / of % 2 == 0 ? Spacing::dense : Spacing::padded;
  }

  /// A later visit's workers have no special values: there in a process of its own.
  Answer try_special(Contender& c) {
    Command command;
    command.step = Step::special;
    if (context_.special_values) return special_ ? ask(c, command) : Answer();
    if (!special_) special_ = special_values_for(spec_, works_, *context_.device);
    if (!special_) return {};
    if (takes_shorter(*c.work->variant) && !shorter_special_) shorter_special_ = shorter_values();
    if (other_sizes_.empty()) other_sizes_ = other_sizes();
    WorkerCase work = c.worker_case;
    work.special = special_.get();
    work.other_sizes = other_sizes_.for_kernel(*c.work->variant);
    if (takes_shorter(*c.work->variant)) work.shorter_special = shorter_special_.get();
    const bool was_shorter = takes_shorter(*c.work->variant) && spec_.weight_bytes() > kShorterAbove;
    work.spacing = was_shorter ? std::nullopt : other(work.spacing);
    WorkerGroup group(context_.effort.setup_watchdog_s);
    const size_t index = group.add(work);
    Answer answer = group.ask(index, command, context_.effort.setup_watchdog_s);
    if (answer.reply.outcome != Outcome::pass) return answer;
    group.resume();
    poll(nullptr, 0, int(kLeastAwakeMs));  // for who writes late
    command.step = Step::settle;
    const Answer later = group.ask(index, command, context_.effort.watchdog_s);
    if (later.reply.outcome != Outcome::pass) answer.reply = later.reply;
    return answer;
  }

  /// Keeps what a step gave, or the outcome that ended the case.
  void take(Contender& c, const Answer& answer, bool head_to_head) {
    if (answer.reply.outcome != Outcome::crashed && answer.reply.outcome != Outcome::timed_out) {
      c.last = answer.reply;
      if (answer.reply.errors.elements_checked > 0 || answer.reply.errors.nan_count > 0)
        c.record.errors = answer.reply.errors;
    }
    c.record.case_us += answer.parent_us;
    c.record.check_us += answer.reply.untimed_check_us;
    add_counts(c, answer.reply);
    double sum_us = 0;
    for (const LaunchTimes& t : answer.times) {
      sum_us += t.device_us * t.launches;
      c.record.device_us.push_back(t.device_us);
      c.record.host_us.push_back(t.host_us());
      c.record.disturbed.push_back(t.disturbed);
      c.encode_us.push_back(t.encode_us);
      c.submit_us.push_back(t.submit_us);
      c.wait_us.push_back(t.wait_us);
    }
    if (head_to_head && !answer.times.empty()) c.turn_us.push_back(turn_median(answer.times));
    if (answer.reply.outcome != Outcome::pass) {
      if (answer.reply.retry) c.record.tags.emplace_back(kRetryTag);
      end(c, answer.reply.outcome, answer.reply.detail);
    } else if (sum_us > answer.parent_us) {
      end(c, Outcome::impossible,
          fmt::format("its launches report {:.4g} us in a turn that took {:.4g} us by the parent's clock", sum_us,
                      answer.parent_us));
    }
  }

  /// The mean of all launches so far that were counted.
  static void add_counts(Contender& c, const Reply& reply) {
    if (reply.counted_launches == 0) return;
    const double before = double(c.counted_launches), all = before + double(reply.counted_launches);
    const auto add = [&](double& mean, double more) { mean = ((before > 0 ? mean * before : 0) + more) / all; };
    add(c.record.dram_bytes, reply.counted.dram_bytes);
    add(c.record.instructions, reply.counted.instructions);
    add(c.record.cycles, reply.counted.cycles);
    c.counted_launches += reply.counted_launches;
  }

  /// Without the disturbed launches, if others are left.
  static double turn_median(const std::vector<LaunchTimes>& times) {
    std::vector<double> clean, all;
    for (const LaunchTimes& t : times) {
      all.push_back(t.device_us);
      if (!t.disturbed) clean.push_back(t.device_us);
    }
    return summarize(clean.empty() ? all : clean).median;
  }

  static void end(Contender& c, Outcome outcome, const std::string& detail) {
    c.record.outcome = outcome;
    c.record.detail = detail;
    c.worker.reset();
  }

  void play_round(bool head_to_head) {
    const Effort& effort = context_.effort;
    std::vector<Contender*> order;
    for (Contender* c : standings_.everyone())
      if (c->competes()) order.push_back(c);
    std::shuffle(order.begin(), order.end(), random_);
    for (Contender* c : order) {
      if (interrupted()) return;
      Command command;
      command.step = Step::sample;
      command.launches = std::min(head_to_head ? effort.turn_launches : effort.screen_launches, kMostSamples);
      command.least_launches = head_to_head ? effort.turn_least_launches : effort.screen_least_launches;
      command.warm_up = effort.turn_warm_up;
      int64_t& next_copy = c == &standings_.bulk_reader ? next_piece_ : next_copy_;
      command.first_copy = next_copy;
      command.time_us = effort.turn_ms * 1e3;
      const Answer answer = ask(*c, command);
      next_copy = std::max(answer.reply.next_copy, next_copy + 1);
      take(*c, answer, head_to_head);
    }
  }

  /// Lets every worker run, idle, and then looks whether anything changed behind its back.
  void settle(WinnerChecks& checks) {
    const InStage stage(Stage::idle);
    for (Contender& c : standings_.cases)
      if (c.running()) c.worker->resume();
    const int64_t until = now_ns() + int64_t(context_.effort.settle_ms * 1e6);
    checks.launch_while_idle(until);
    poll(nullptr, 0, int(std::max(double(until - now_ns()) * 1e-6, kLeastAwakeMs)));
    for (Contender& c : standings_.cases)
      if (c.running()) look_again(c);
  }

  void look_again(Contender& c) {
    Command command;
    command.step = Step::settle;
    take(c, ask(c, command), false);
  }

  const Spec spec_;
  const RoundsContext& context_;
  const std::vector<CaseToRun>& works_;
  std::mt19937_64 random_{std::random_device{}()};
  const uint64_t order_ = random_();
  const std::unique_ptr<ProvedSpec> own_;
  const ProvedSpec& proved_;
  const std::optional<Spec> shorter_;
  std::unique_ptr<SpecialValues> special_;
  std::unique_ptr<SpecialValues> shorter_special_;
  OtherSizesList other_sizes_;
  Standings standings_;
  int64_t next_copy_ = 0, next_piece_ = 0;  // the bulk reader's pieces are no copies
};

}  // namespace

Effort Effort::thorough() {
  Effort effort;
  effort.screen_launches = 40;
  effort.rounds = 400;
  effort.least_visits = effort.visits;
  effort.spec_budget_s = 3;
  effort.whole_sweep_s = effort.every_number_s = 10;
  effort.converged_width = 0.004;
  effort.contender_ratio = 1.5;
  return effort;
}

Effort Effort::of(const DeviceInfo& device, bool is_thorough) {
  Effort effort = is_thorough ? thorough() : Effort();
  if (device.launches_per_sample <= 1) return effort;
  effort.visits = 1;
  effort.winner_settle_ms = 0;  // its kernels are over when they have been waited for
  effort.every_number_s *= 0.5;
  effort.spec_sweep_s = 0.15 * effort.whole_sweep_s;  // many tie, and that takes longer than all else
  effort.noisy_rounds = 2 * effort.least_rounds;      // no later visit makes up for a turn that stalled
  return effort;
}

std::vector<CaseRecord> run_rounds(const Spec& spec, const std::vector<CaseToRun>& cases,
                                   const RoundsContext& context) {
  return SpecRun(spec, cases, context).run();
}

}  // namespace assay
