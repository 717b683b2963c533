// The rounds of one spec.
#include "probe/rounds.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <memory>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "probe/physics.h"
#include "probe/ranking.h"
#include "probe/visits.h"
#include "stats/summary.h"

namespace assay {
namespace {

constexpr size_t kEnoughSamples = 10;

/// A case while it is being measured.
struct Contender {
  const CaseToRun* work = nullptr;
  CaseRecord record;
  WorkerCase worker_case;
  std::shared_ptr<WorkerGroup> worker;
  size_t index = 0;              // in the group
  Reply last;
  int64_t cold_bytes = 0;
  bool contends = true;
  std::vector<double> encode_us, submit_us, wait_us;
  std::vector<double> turn_us;   // median of each turn among the contenders, one a round until it is let go
  bool running() const { return worker && record.outcome == Outcome::pass; }
};

class SpecRun {
 public:
  SpecRun(const Spec& spec, const std::vector<CaseToRun>& cases, const RoundsContext& context)
      : spec_(spec), context_(context), inputs_(spec, *context.arenas, context.mode == Mode::hot ? 0 : context.footprint),
        reference_(inputs_, std::any_of(cases.begin(), cases.end(), [](const auto& c) { return !c.variant->activation_error.empty(); })) {
    for (const CaseToRun& work : cases) add(work, contenders_, &reference_, false);
    add(context.reader, readers_, nullptr, false);
    add(context.reader, readers_, nullptr, true);
    group();
  }

  std::vector<CaseRecord> run() {
    for (Contender& reader : readers_) start(reader);
    for (Contender& c : contenders_) {
      if (interrupted()) return {};
      if (context_.on_case) context_.on_case(*c.work->variant);
      start(c);
    }
    for (const Contender& reader : readers_)
      if (!reader.running()) fail("the kernel that reads {}'s bytes failed: {}", spec_.short_name(), reader.record.detail);

    const int64_t deadline = now_ns() + int64_t(context_.effort.spec_budget_s * 1e9);
    play_round(/*head_to_head=*/false);
    let_losers_go();
    for (int round = 0; round < context_.effort.rounds && !interrupted(); ++round) {
      const int least = any_noisy() ? context_.effort.noisy_rounds : context_.effort.least_rounds;
      if (round >= least && (now_ns() > deadline || all_converged())) break;
      play_round(/*head_to_head=*/true);
      let_losers_go();
    }
    if (interrupted()) return {};
    settle();
    return judge();
  }

 private:
  void add(const CaseToRun& work, std::vector<Contender>& to, const Reference* reference, bool bulk) {
    Contender c;
    c.work = &work;
    c.record.key = work.key;
    c.record.key_text = work.key_text;
    c.record.spec_line = spec_.line();
    c.record.math_line = spec_.math_line();
    c.record.completion = spec_.completion;
    c.record.variant = work.variant->id();
    c.record.device = context_.device->id;
    c.record.mode = std::string(mode_name(context_.mode));
    c.record.flops = spec_.flops();
    c.worker_case.backend = context_.backend;
    c.worker_case.device = context_.device;
    c.worker_case.variant = work.variant;
    c.worker_case.module = &work.module;
    c.worker_case.reference = reference;
    c.worker_case.inputs = &inputs_;
    c.worker_case.arenas = context_.arenas;
    c.worker_case.mode = context_.mode;
    c.worker_case.footprint = context_.footprint;
    c.worker_case.memory_limit = (int64_t(1) << 30) + context_.footprint + 8 * spec_.b_bytes();
    c.worker_case.bulk = bulk;
    to.push_back(std::move(c));
  }

  /// A worker process for each case, or one for all where the device wants that.
  void group() {
    std::shared_ptr<WorkerGroup> workers;
    for (auto* members : {&readers_, &contenders_})
      for (Contender& c : *members) {
        if (!workers || !context_.device->one_worker) workers = std::make_shared<WorkerGroup>(context_.effort.setup_watchdog_s);
        c.worker = workers;
        c.index = workers->add(c.worker_case);
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
    c.cold_bytes = c.last.cold_bytes;
    if (c.last.nondeterministic) c.record.tags.push_back("nondeterministic");
  }

  Answer ask(Contender& c, const Command& command) { return c.worker->ask(c.index, command, context_.effort.watchdog_s); }

  /// Keeps what a step gave, or the outcome that ended the case.
  void take(Contender& c, const Answer& answer, bool head_to_head) {
    if (answer.reply.outcome != Outcome::crashed && answer.reply.outcome != Outcome::timed_out) {
      c.last = answer.reply;
      if (answer.reply.errors.elements_checked > 0 || answer.reply.errors.nan_count > 0) c.record.errors = answer.reply.errors;
    }
    c.record.case_us += answer.parent_us;
    c.record.check_us += answer.reply.untimed_check_us;
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
      end(c, answer.reply.outcome, answer.reply.detail);
    } else if (sum_us > answer.parent_us) {
      end(c, Outcome::impossible, fmt::format("its launches report {:.4g} us in a turn that took {:.4g} us by the parent's clock", sum_us,
                                              answer.parent_us));
    }
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
    for (auto* group : {&contenders_, &readers_})
      for (Contender& c : *group)
        if (c.running() && c.contends) order.push_back(&c);
    std::shuffle(order.begin(), order.end(), random_);
    for (Contender* c : order) {
      if (interrupted()) return;
      Command command;
      command.step = Step::sample;
      command.launches = std::min(head_to_head ? effort.turn_launches : effort.screen_launches, kMostSamples);
      command.least_launches = head_to_head ? effort.turn_least_launches : effort.screen_least_launches;
      command.warm_up = effort.turn_warm_up;
      int64_t& next_copy = c == &readers_[1] ? next_piece_ : next_copy_;
      command.first_copy = next_copy;
      command.time_us = effort.turn_ms * 1e3;
      const Answer answer = ask(*c, command);
      next_copy = std::max(answer.reply.next_copy, next_copy + 1);
      take(*c, answer, head_to_head);
    }
  }

  /// The summary that decisions between cases rest on.
  Summary standing(const Contender& c) const {
    return summarize(c.turn_us.size() < kEnoughTurns ? undisturbed(c) : levelled_turns(c));
  }

  /// The turns with the machine's state of their round divided out: memory that slows down for a second slows all alike, and the
  /// reader with them. A round's level is the geometric mean of those who took part in all rounds, against the median round's.
  std::vector<double> levelled_turns(const Contender& c) const {
    size_t rounds = 0;
    for (const Contender& reader : readers_) rounds = std::max(rounds, reader.turn_us.size());
    std::vector<double> level(rounds, 0);
    for (const auto* group : {&contenders_, &readers_})
      for (const Contender& other : *group)
        for (size_t r = 0; r < rounds && other.turn_us.size() == rounds; ++r) level[r] += std::log(other.turn_us[r]);
    int members = 0;
    for (const auto* group : {&contenders_, &readers_})
      members += int(std::count_if(group->begin(), group->end(), [&](const Contender& other) { return other.turn_us.size() == rounds; }));
    std::vector<double> turns = c.turn_us;
    if (members < 2) return turns;
    for (double& value : level) value = std::exp(value / members);
    const double median_level = summarize(level).median;
    for (size_t r = 0; r < turns.size() && r < rounds; ++r) turns[r] *= median_level / level[r];
    return turns;
  }

  void let_losers_go() {
    double best_high = HUGE_VAL;
    for (const Contender& c : contenders_)
      if (c.running() && c.contends && accusation(c).empty()) best_high = std::min(best_high, standing(c).ci_high);
    for (Contender& c : contenders_) {
      if (!c.running() || !c.contends) continue;
      const Summary s = standing(c);
      const double ratio = c.turn_us.size() < kEnoughTurns ? context_.effort.screen_ratio : context_.effort.contender_ratio;
      if (s.ci_low <= best_high * ratio) continue;
      c.contends = false;
      c.record.tags.push_back("abandoned");
      c.record.detail = fmt::format("abandoned after {} launches: at least {:.2f} times the best", c.record.device_us.size(), s.ci_low / best_high);
    }
  }

  bool any_noisy() const {
    return std::any_of(contenders_.begin(), contenders_.end(), [this](const Contender& c) {
      return c.running() && c.contends && is_noisy(standing(c)) && accusation(c).empty();
    });
  }

  bool all_converged() const {
    return std::all_of(contenders_.begin(), contenders_.end(), [this](const Contender& c) {
      return !c.running() || !c.contends || (c.turn_us.size() >= kEnoughSamples && converged(standing(c), context_.effort.converged_width));
    });
  }

  /// Lets every worker run, idle, and then looks whether anything changed behind its back.
  void settle() {
    for (Contender& c : contenders_)
      if (c.running()) c.worker->resume();
    poll(nullptr, 0, int(context_.effort.settle_ms));
    for (Contender& c : contenders_) {
      if (!c.running()) continue;
      Command command;
      command.step = Step::settle;
      take(c, ask(c, command), false);
    }
  }

  /// All launches so far, without those that were disturbed where enough others are left.
  static std::vector<double> undisturbed(const Contender& c) { return ranking_samples(c.record, /*head_to_head=*/false).device_us; }

  std::vector<CaseRecord> judge() {
    const Summary reachable = summarize(undisturbed(readers_[0])), bulk = summarize(undisturbed(readers_[1]));
    // What memory gives: the long reads' rate, or the single launches' where those were faster (a cache's, in hot mode).
    const double single_gbps = double(readers_[0].cold_bytes) / reachable.median * 1e-3;
    const double bulk_gbps = context_.mode == Mode::hot ? 0 : double(readers_[1].record.bytes) / bulk.median * 1e-3;
    const double gbps = std::max({single_gbps, bulk_gbps, steady_gbps()});
    const double peak = context_.ceilings->best_gflops();
    const double floor_us = std::max(double(spec_.b_bytes()) / gbps * 1e-3, peak > 0 ? double(spec_.flops()) / peak * 1e-3 : 0);

    std::vector<CaseRecord> records;
    for (Contender& c : contenders_) {
      CaseRecord& r = c.record;
      r.floor_us = floor_us;
      r.reachable_us = reachable.median;
      r.ceiling_gbps = gbps;
      r.encode_us = summarize(c.encode_us).median;
      r.submit_us = summarize(c.submit_us).median;
      r.wait_us = summarize(c.wait_us).median;
      r.measured_at = std::time(nullptr);
      r.head_to_head_us = levelled_turns(c);
      if (r.outcome == Outcome::pass) judge_times(c);
      if (std::count(r.disturbed.begin(), r.disturbed.end(), uint8_t(1)) * 2 > int64_t(r.disturbed.size())) r.tags.push_back("disturbed");
      records.push_back(std::move(r));
    }
    return records;
  }

  /// Where rates do not drift, what the whole memory was seen to give counts as well as the readers, which are single launches. Else 0.
  double steady_gbps() const {
    return context_.device->launches_per_sample > 1 && context_.mode != Mode::hot ? context_.ceilings->memory_gbps() : 0;
  }

  /// Whether the times so far beat physics: such a case neither ranks nor makes others give up.
  std::string accusation(const Contender& c) const {
    const std::vector<double> single = undisturbed(readers_[0]), bulk = undisturbed(readers_[1]);
    std::vector<ReadSamples> reads{{single, readers_[0].cold_bytes}};
    if (context_.mode != Mode::hot) reads.push_back({bulk, readers_[1].record.bytes});
    const std::vector<double> ever(8, steady_gbps() > 0 ? double(c.cold_bytes) / steady_gbps() * 1e-3 : 0);
    if (steady_gbps() > 0) reads.push_back({ever, c.cold_bytes});
    return beats_physics(c.record.device_us, c.cold_bytes, reads, c.record.flops, context_.ceilings->best_gflops());
  }

  void judge_times(Contender& c) {
    CaseRecord& r = c.record;
    const std::string accused = accusation(c);
    if (!accused.empty()) {
      r.outcome = Outcome::impossible;
      r.detail = accused;
    } else if (c.contends) {
      judge_noise(r);
    }
  }

  const Spec spec_;
  const RoundsContext& context_;
  SpecInputs inputs_;
  Reference reference_;
  std::vector<Contender> contenders_, readers_;
  int64_t next_copy_ = 0, next_piece_ = 0;  // the bulk reader's pieces are no copies
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace

Effort Effort::thorough() {
  Effort effort;
  effort.screen_launches = 40;
  effort.rounds = 400;
  effort.spec_budget_s = 3;
  effort.converged_width = 0.004;
  effort.contender_ratio = 1.5;
  return effort;
}

Effort Effort::of(const DeviceInfo& device, bool is_thorough) {
  Effort effort = is_thorough ? thorough() : Effort();
  if (device.launches_per_sample <= 1) return effort;
  effort.visits = 1;
  effort.noisy_rounds = 2 * effort.least_rounds;  // no later visit makes up for a turn that stalled
  return effort;
}

std::vector<CaseRecord> run_rounds(const Spec& spec, const std::vector<CaseToRun>& cases, const RoundsContext& context) {
  return SpecRun(spec, cases, context).run();
}

}  // namespace assay
