// Where the wall time of a run goes.
#include "base/stages.h"

#include "base/clock.h"

namespace assay {
namespace {

struct State {
  StageSeconds seconds{};
  Stage stage = Stage::other;
  int64_t since_ns = now_ns();
};

State& state() {
  thread_local State of_thread;
  return of_thread;
}

Stage enter(Stage stage) {
  State& s = state();
  const int64_t now = now_ns();
  s.seconds[size_t(s.stage)] += double(now - s.since_ns) * 1e-9;
  s.since_ns = now;
  const Stage before = s.stage;
  s.stage = stage;
  return before;
}

}  // namespace

std::string_view stage_name(Stage stage) {
  constexpr std::string_view kNames[size_t(Stage::count)] = {"other work",
                                                             "compiling",
                                                             "ceilings, choice of readers",
                                                             "memory for inputs",
                                                             "right answers",
                                                             "special values",
                                                             "starting workers",
                                                             "ending workers",
                                                             "waiting for late writes",
                                                             "the store",
                                                             "messages to and from workers",
                                                             "opening the device",
                                                             "buffers",
                                                             "repacking weights",
                                                             "launches",
                                                             "inputs and poison before launches",
                                                             "checks: outputs of launches",
                                                             "checks: between walls",
                                                             "checks: special draws",
                                                             "checks: other constants",
                                                             "checks: operands apart",
                                                             "checks: other sizes",
                                                             "checks: some rows, places, positions",
                                                             "checks: special values of a product",
                                                             "winners: all rows, places, positions",
                                                             "winners: late launches",
                                                             "winners: special values",
                                                             "winners: a last look"};
  return kNames[size_t(stage)];
}

StageSeconds& stage_seconds() { return state().seconds; }

InStage::InStage(Stage stage) : before_(enter(stage)) {}
InStage::~InStage() { enter(before_); }

void end_stage_now() { enter(state().stage); }

void add_stages_of(const StageSeconds& other) {
  State& s = state();
  end_stage_now();
  for (size_t i = 0; i < other.size(); ++i) {
    s.seconds[i] += other[i];
    s.seconds[size_t(s.stage)] -= other[i];
  }
}

}  // namespace assay
