// A choice proved where it counts: runs of the model with it and with the defaults in turns; what does not pay is taken
// back.
#pragma once
#include <functional>

#include "tune/alone_times.h"
#include "tune/context_bench.h"
#include "tune/tune_state.h"
#include "tune/tuner.h"

namespace assay {

struct ProofRequest {
  ContextRequest context;
  int turns = 10;
  double budget_s = 60;
  bool prefill = false;
  AloneTimes* alone = nullptr;            // nullptr: the prediction of before stands for every run
  DispatchTable defaults;                 // what the choice is held against
  std::function<DispatchTable()> chosen;  // the table of `result` as it then is
  std::function<double()> spent_s;        // of the budget
  std::function<void(int turn, int turns, double left_s)> on_turn;  // may be empty
};

/// Fills in the turns, what each op takes where it runs, and the prediction; entries may be taken back. False if
/// interrupted: what was run is in the state. Error where a child fails.
bool prove(TuneResult& result, TuneState& state, const ProofRequest& request);

/// Sums what the ops take alone.
void predict(TuneResult& result);

}  // namespace assay
