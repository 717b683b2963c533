// One row's cells measured in turns.
#include "opbench/row_rounds.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "measure/ranking_samples.h"
#include "measure/worker_process.h"
#include "opbench/expected_time.h"
#include "opbench/row_visits.h"

namespace assay {
namespace {

constexpr double kStartLimitS = 90;
constexpr double kAnswerS = 30, kMuchSlower = 20;  // than what is expected of all a cell's calls, for one answer
constexpr double kSampleUs = 50, kQueueUs = 500;
constexpr int kMostCalls = 1000;
constexpr double kBeatenPeak = 0.8;      // of the arithmetic's time at its peak …
constexpr double kBeatenMove = 0.65;     // … or of moving the bytes, which from a cache is no least: 0.81 was seen
constexpr double kFastest = 10;          // percent of the moves: a cache that others share gives this much or that
constexpr double kLeastToAccuseUs = 20;  // below, what is in a cache and a clock's grain decide

/// For who makes threads of its own.
TeamMaker only_count(int threads) {
  return [threads] {
    OwnedTeam none;
    none.team.count = threads;
    return none;
  };
}

/// A cell and its process.
class Contender {
 public:
  Contender(const OperationRow& row, const RowMemory& memory, const FrameworkModule& module,
            const OpbenchOptions& options, uint64_t secret, bool is_ceiling)
      : device(module.info->device),
        row_(row),
        memory_(memory),
        secret_(secret),
        limit_s_(std::min(options.limit_s, kAnswerS + kMuchSlower * expected_cell_seconds(row, {}))),
        is_ceiling_(is_ceiling) {
    CellMakers makers = options.makers;
    if (!module.info->is_own) makers.team = only_count(options.device.threads);
    worker_ = std::make_unique<CellWorker>(row, memory, module.file, makers);
  }

  void await_start() {
    const int64_t began = now_ns();
    take(worker_->start(std::min(kStartLimitS, limit_s_)));
    result.seconds += double(now_ns() - began) * 1e-9;
    if (runs()) how_ = result.detail;
    if (runs()) result.detail.clear();
  }

  bool runs() const { return result.outcome == Outcome::pass; }

  /// One call, all of its output compared.
  void prove() {
    CellCommand command{next_set_++, 1, 1, false, true};
    ask(command, 1.0);
    if (runs()) once_us_ = result.us.back();
    result.us.clear();
    if (runs() && once_us_ < kWarmUpUs) {  // the first call made what later ones find
      command.first_set = next_set_++;
      ask(command, 0);
      if (runs()) once_us_ = std::min(once_us_, result.us.back());
      result.us.clear();
    }
    result.disturbed.clear();
  }

  /// That it would like to have in a turn.
  int visits(int turn) const { return runs() && turn < turns() ? visits_of_turn(sample_us()) : 0; }

  void visit(int turn, int visit, int visits) {
    if (!runs() || turn >= turns()) return;
    CellCommand command;
    command.calls = calls();
    command.samples = samples_of_visit(samples_of_turn(sample_us()), visit, visits);
    if (command.samples == 0) return;
    command.ends_turn = visit + 1 == visits;
    const int64_t first = int64_t(turn) * kMostSamplesOfTurn;
    const bool begins_turn = visits_.empty() || visits_.back().number < first;
    command.warm_up = once_us_ < (begins_turn ? kWarmUpUs : kVisitUs);
    command.first_set = next_set_;
    next_set_ += uint64_t(command.samples);
    const size_t before = result.us.size();
    ask(command, command.ends_turn ? std::min(1.0, kCheckedElements / double(row_.output.elements())) : 0);
    if (result.us.size() == before) return;
    visits_.push_back(visit_of(first + visit, {result.us.begin() + ptrdiff_t(before), result.us.end()},
                               {result.disturbed.begin() + ptrdiff_t(before), result.disturbed.end()}));
  }

  const std::vector<Visit>& visited() const { return visits_; }

  void turns_of_seed() { ask({next_set_, kSeedSamples, kSeedCalls, false, false}, 1.0); }

  void finish() {
    if (runs() && result.detail.empty()) result.detail = how_;
    worker_.reset();
  }

  const std::string device;
  CellResult result;

 private:
  int turns() const { return once_us_ >= kLongUs ? kTurnsOfLong : kTurns; }
  /// Of a sample. A queue hides what its first and its last call take.
  int calls() const {
    const double most_us = device == "cpu" ? kSampleUs : kQueueUs;
    return std::clamp(int(most_us / std::max(once_us_, 0.05)), 1, kMostCalls);
  }
  double sample_us() const { return once_us_ * calls(); }

  void take(const CellAnswer& answer) {
    result.outcome = answer.outcome;
    result.detail = answer.text;
    if (answer.retry) result.tags.emplace_back(kRetryTag);
  }
  void ask(const CellCommand& command, double share) {
    const int64_t began = now_ns();
    memory_.lay_guard();
    const CellAnswer answer = worker_->ask(command, limit_s_);
    const int64_t answered = now_ns();
    result.us.insert(result.us.end(), answer.us.begin(), answer.us.end());
    result.disturbed.insert(result.disturbed.end(), answer.disturbed.begin(), answer.disturbed.end());
    if (answer.outcome != Outcome::pass)
      take(answer);
    else if (!memory_.guard_is_whole())
      find_wrong("wrote behind the end of its output");
    else if (share > 0 && !is_ceiling_)
      compare(answer.last_set, share);
    result.seconds += double(now_ns() - began) * 1e-9;
    result.check_seconds += double(now_ns() - answered) * 1e-9;
  }
  void compare(uint64_t set, double share) {
    const OutputErrors errors =
        check_output(row_, memory_.inputs(set), memory_.output(), share, random_bits(secret_ ^ set));
    result.errors.add(errors);
    if (errors.wrong()) find_wrong(errors.text());
  }
  void find_wrong(const std::string& why) {
    result.outcome = Outcome::wrong;
    result.detail = why;
    worker_.reset();
  }

  const OperationRow& row_;
  const RowMemory& memory_;
  uint64_t secret_;
  double limit_s_;
  bool is_ceiling_;
  std::unique_ptr<CellWorker> worker_;
  std::string how_;
  std::vector<Visit> visits_;
  uint64_t next_set_ = 0;
  double once_us_ = 0;
};

/// Without those that others disturbed, where enough are left.
double median_us(const CellResult& cell) {
  CaseRecord record;
  record.device_us = cell.us;
  record.disturbed = cell.disturbed;
  return percentile(ranking_samples(record, false).device_us, 50);
}

/// What only moving takes while the cell takes its median. Memory may have several rates, for milliseconds or minutes
/// each, and a row may meet two.
double moved_beside(const Contender& ceiling, const Contender& cell) {
  return moved_over_taken(ceiling.visited(), cell.visited()) * median_us(cell.result);
}

void shuffle(std::vector<size_t>& order, uint64_t secret) {
  for (size_t i = order.size(); i-- > 1;) std::swap(order[i], order[random_bits(secret + i) % (i + 1)]);
}

void accuse(CellResult& cell, const OperationRow& row, double peak_gflops) {
  if (cell.outcome != Outcome::pass || cell.us.empty()) return;
  const double ceiling_us = cell.fastest_moved_us;
  const double us = median_us(cell);
  // What functions are counted as is no law of nature; what products are is.
  const double arithmetic_us = peak_gflops > 0 && row.is_compute_bound() ? double(row.flops) / peak_gflops * 1e-3 : 0;
  const bool computes = arithmetic_us > ceiling_us;
  const double floor = std::max(ceiling_us, arithmetic_us);
  if (floor < kLeastToAccuseUs || us >= (computes ? kBeatenPeak : kBeatenMove) * floor) return;
  cell.outcome = Outcome::impossible;
  cell.detail =
      computes ? fmt::format("{:.1f} us; its {:.3g} GFLOP need {:.1f} at the peak", us, double(row.flops) * 1e-9, floor)
               : fmt::format("{:.1f} us; only moving the bytes took {:.1f}", us, floor);
}

}  // namespace

int turns_of(const OpbenchOptions& options) { return options.takes_lock ? kTurns : 1; }

std::vector<CellResult> measure_row(const OperationRow& row, const std::vector<const FrameworkModule*>& frameworks,
                                    const OpbenchOptions& options) {
  const RowMemory memory(row);
  if (interrupted()) return {};
  const uint64_t secret = random_bits(uint64_t(now_ns()));
  std::vector<std::unique_ptr<Contender>> contenders;
  const auto add = [&](const FrameworkModule& module, bool is_ceiling) {
    contenders.push_back(std::make_unique<Contender>(row, memory, module, options, secret, is_ceiling));
  };
  for (const FrameworkModule* module : frameworks) add(*module, false);
  for (const FrameworkModule& ceiling : options.ceilings) {
    const bool wanted = std::any_of(frameworks.begin(), frameworks.end(), [&](const FrameworkModule* module) {
      return module->info->device == ceiling.info->device;
    });
    if (wanted && !ceiling.file.empty() && options.method == OpbenchMethod::rounds) add(ceiling, true);
  }
  for (const auto& contender : contenders) contender->await_start();
  for (const auto& contender : contenders)
    if (contender->runs() && !interrupted()) contender->prove();

  std::vector<size_t> order(contenders.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const int turns = turns_of(options);
  for (int turn = 0; turn < turns && !interrupted(); ++turn) {
    if (options.method != OpbenchMethod::rounds) {
      if (turn > 0) break;
      shuffle(order, secret);
      for (const size_t i : order)
        if (contenders[i]->runs() && !interrupted()) contenders[i]->turns_of_seed();
      continue;
    }
    int visits = 0;
    for (const auto& contender : contenders) visits = std::max(visits, contender->visits(turn));
    for (int visit = 0; visit < visits; ++visit) {
      shuffle(order, random_bits(secret + uint64_t(turn) * kMostSamplesOfTurn + uint64_t(visit)));
      for (const size_t i : order)
        if (!interrupted()) contenders[i]->visit(turn, visit, visits);
    }
  }
  if (interrupted()) return {};
  std::vector<CellResult> cells;
  for (size_t i = 0; i < frameworks.size(); ++i) {
    Contender& contender = *contenders[i];
    contender.finish();
    CellResult& cell = contender.result;
    for (size_t c = frameworks.size(); c < contenders.size(); ++c)
      if (contenders[c]->device == contender.device && contenders[c]->runs() && !contenders[c]->result.us.empty())
        cell.ceiling_us = moved_beside(*contenders[c], contender),
        cell.fastest_moved_us = percentile(contenders[c]->result.us, kFastest);
    accuse(cell, row, contender.device == "cpu" ? options.peak_gflops : 0);
    cells.push_back(std::move(cell));
  }
  return cells;
}

}  // namespace assay
