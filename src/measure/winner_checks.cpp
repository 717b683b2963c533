// The last checks of what may be crowned.
#include "measure/winner_checks.h"

#include <poll.h>

#include <algorithm>

#include "base/clock.h"
#include "base/stages.h"
#include "measure/case_worker.h"

namespace assay {
namespace {

constexpr double kShortUs = 12;      // kLateLaunches of such are no more than 50 ms
constexpr double kLeastSettle = 50;  // ms
constexpr double kLeastSweepS = 0.01;
constexpr int kBetweenLooks = 100;  // ms
constexpr const char* kNeverRests =
    "never comes to rest: seconds after its last launch something in its process runs, or waits for a time to come";

bool is_short(const Contender& c) {
  const std::vector<double>& us = c.record.device_us;
  return !us.empty() && *std::min_element(us.begin(), us.end()) <= kShortUs;
}

}  // namespace

void WinnerChecks::run() {
  if (!context_.winners) return;
  WatchedWinners& winners = *context_.winners;
  std::vector<Contender*> watched, launched;
  const double watch_ms = context_.effort.winner_settle_ms;
  for (Contender& c : standings_.cases) {
    if (is_to_watch(c)) watched.push_back(&c);
    if (is_to_launch(c)) launched.push_back(&c);
  }
  for (Contender* c : watched) c->worker->resume();
  const int64_t began = now_ns();
  free_until_ns_ = watched.empty() ? 0 : began + int64_t(watch_ms * 1e6);
  sweep_numbers();
  std::erase_if(launched, [](const Contender* c) { return !c->running(); });
  launch_late(launched);
  const std::vector<Contender*> tried = try_specials();
  for (Contender& c : standings_.cases)
    if (steps_.try_special && c.running() && !was_on_specials(c)) c.record.tags.emplace_back(kProvedInPartTag);
  if (watched.empty() && tried.empty()) return;
  for (Contender* c : watched)
    if (c->running()) c->worker->resume();
  const double spent_ms = double(now_ns() - began) * 1e-6;
  const double least_ms = context_.effort.proves_all ? watch_ms : kLeastSettle;
  std::optional<InStage> stage(std::in_place, Stage::idle);
  poll(nullptr, 0, int(watched.empty() ? kLeastSettle : std::max(watch_ms - spent_ms, least_ms)));
  stage.reset();
  for (Contender* c : tried)
    if (c->running() && std::find(watched.begin(), watched.end(), c) == watched.end()) watch_restless(*c, 0);
  const int64_t until = now_ns() + int64_t(context_.effort.restless_ms * 1e6);  // of all: they run at the same time
  for (Contender* c : watched) {
    if (!c->running()) continue;
    watch_restless(*c, until);
    if (c->running()) winners.watched.insert(c->work->variant->id());
  }
}

/// Has it settled? What runs or sleeps by the clock in its process is waited for.
void WinnerChecks::watch_restless(Contender& c, int64_t until_ns) {
  Command command;
  command.step = Step::settle;
  command.looks_for_rest = 1;
  const bool has_own_threads = c.work->variant->threading == Threading::own;  // which may wait awake
  for (int seen = 0;;) {
    Answer answer = steps_.ask(c, command);
    // One look may meet what was just about to end.
    seen = Rest(answer.reply.restless) == Rest::restless ? seen + 1 : 0;
    const bool is_over = (now_ns() >= until_ns && (seen != 1 || until_ns == 0)) || interrupted();
    if (seen > 1 && is_over && until_ns > 0 && !interrupted() && !has_own_threads)
      CaseWorker::set(answer.reply, Outcome::wrong, kNeverRests);
    steps_.take(c, answer);
    if (!c.running() || !answer.reply.restless || is_over) return;
    c.worker->resume();
    const InStage stage(Stage::idle);
    poll(nullptr, 0, kBetweenLooks);
  }
}

bool WinnerChecks::may_win(const Contender& c) const { return context_.effort.proves_all ? c.running() : c.competes(); }

bool WinnerChecks::is_to_watch(const Contender& c) const {
  return may_win(c) && context_.effort.winner_settle_ms > 0 && !context_.winners->watched.count(c.work->variant->id());
}

bool WinnerChecks::is_to_launch(const Contender& c) const {
  const std::string id = c.work->variant->id();
  return may_win(c) && context_.effort.late_ms > 0 && !context_.winners->launched.count(id) && !ended_.count(&c) &&
         (!context_.winners->tried_late.count(id) || is_short(c));
}

void WinnerChecks::launch_while_idle(int64_t until_ns) {
  if (!context_.winners) return;
  std::vector<Contender*> launched;
  for (Contender& c : standings_.cases) {
    if (is_to_watch(c)) return;
    if (is_to_launch(c)) launched.push_back(&c);
  }
  free_until_ns_ = until_ns;
  launch_late(launched);
  if (std::none_of(standings_.cases.begin(), standings_.cases.end(),
                   [this](const Contender& c) { return is_to_launch(c); }))
    try_specials();
}

/// What takes longer than the watch is part of the case, and of its checks.
Answer WinnerChecks::timed(const std::function<Answer()>& step) {
  const int64_t began = now_ns();
  Answer answer = step();
  const int64_t ended = now_ns();
  const double beyond_us = double(ended - std::clamp(free_until_ns_, began, ended)) * 1e-3;
  answer.reply.untimed_check_us = answer.parent_us = std::min(beyond_us, answer.parent_us);
  return answer;
}

Answer WinnerChecks::ask(Contender& c, const Command& command) {
  return timed([&] { return steps_.ask(c, command); });
}

bool WinnerChecks::was_swept(const Contender& c) const { return context_.winners->swept.count(c.work->key.hash) > 0; }

void WinnerChecks::sweep_numbers() {
  if (!spec_.op->sweep) return;
  std::set<const Contender*> tried;  // also those for which there was not time enough
  const auto is_done = [&](const Contender& c) { return was_swept(c) || tried.count(&c) > 0; };
  double left_s = context_.effort.spec_sweep_s;
  while (context_.effort.whole_sweep_s > 0) {
    Contender* const next = standings_.next_to_prove(is_done);
    if (!next) break;
    tried.insert(next);
    Command command;
    command.step = Step::sweep;
    command.time_us = std::min(context_.effort.whole_sweep_s, std::max(left_s, kLeastSweepS)) * 1e6;
    command.whole_us = context_.effort.every_number_s * 1e6;
    const int64_t began = now_ns();
    const Answer answer = ask(*next, command);
    if (!context_.effort.proves_all) left_s -= double(now_ns() - began) * 1e-9;
    if (answer.reply.swept_whole) context_.winners->swept.insert(next->work->key.hash);
    steps_.take(*next, answer);
  }
  for (Contender& c : standings_.cases) {
    if (!c.running() || was_swept(c)) continue;
    c.record.tags.emplace_back(kSomeNumbersTag);
    if (!tried.count(&c)) c.record.tags.emplace_back(kProvedInPartTag);
  }
}

/// At set-up some cases, drawn, were launched in one spacing, drawn. No other launch of a case may follow. Who was
/// tried is to be looked at again later.
std::vector<Contender*> WinnerChecks::try_specials() {
  std::vector<Contender*> tried;
  if (!steps_.try_special) return tried;
  while (Contender* const next = standings_.next_to_prove([this](const Contender& c) { return was_on_specials(c); })) {
    ended_.insert(next);
    const Answer answer = timed([&] { return steps_.try_special(*next); });
    if (answer.reply.outcome == Outcome::pass) context_.winners->special.insert(next->work->key.hash);
    steps_.take(*next, answer);
    if (next->running()) next->worker->resume();
    tried.push_back(next);
  }
  return tried;
}

bool WinnerChecks::was_on_specials(const Contender& c) const {
  return context_.winners->special.count(c.work->key.hash) > 0;
}

void WinnerChecks::launch_late(const std::vector<Contender*>& contenders) {
  for (Contender* c : contenders) {
    Command command;
    command.step = Step::late;
    command.time_us = context_.effort.late_ms * 1e3 / double(contenders.size());
    const Answer answer = ask(*c, command);
    context_.winners->tried_late.insert(c->work->variant->id());
    if (answer.reply.late_launches >= kLateLaunches) context_.winners->launched.insert(c->work->variant->id());
    steps_.take(*c, answer);
    if (c->running()) c->worker->resume();
  }
}

}  // namespace assay
