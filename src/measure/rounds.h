// The rounds of one spec: every case in its own worker, turns in shuffled order, losers let go early, contenders head
// to head.
#pragma once
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "measure/case_key.h"
#include "measure/ceilings.h"
#include "measure/worker_group.h"
#include "proof/proved_spec.h"

namespace assay {

struct Effort {
  double turn_ms = 3;           // a turn's timed part
  int turn_launches = 8;        // … ends earlier after so many
  int turn_least_launches = 2;  // … and not before so many
  int turn_warm_up = 2;         // launches at its start that are no samples
  int screen_launches = 16;     // of the first round, which decides who contends
  int screen_least_launches = 5;
  int rounds = 40;                // among contenders, at most
  int least_rounds = 6;           // … and at least, whatever they take
  int noisy_rounds = 6;           // … or so many, while a contender would be noisy (measure/visits.h)
  int visits = 4;                 // to each spec; the later ones, when all have been visited, to contenders alone …
  int least_visits = 2;           // … and after so many only where they disagree (measure/visits.h)
  double spec_budget_s = 0.15;    // rounds of one visit end after this
  double converged_width = 0.02;  // … or when every contender's interval, over its turns, is this narrow
  double screen_ratio =
      2.0;  // a case whose interval lies above the best's by this factor is let go: after one turn each …
  double contender_ratio = 1.2;  // … and after five; memory alone was seen to change its rate twofold between two turns
  double keep_share = 1;         // of the contenders, kept after rounds 2, 4, 8 …: a search halves
  double watchdog_s = 20;        // for one turn
  double setup_watchdog_s = 60;  // loading a vendor library and repacking may take their time
  double whole_sweep_s =
      2;  // of the processor's time, for launches of a winner over all numbers that its op looks up …
  double every_number_s = 0.6;     // … where they are many: every one if that takes no longer, else a share of them
  double spec_sweep_s = HUGE_VAL;  // … of a spec's winners together, the best one first
  bool proves_all = false;         // … of all cases, as if each were alone
  double settle_ms = 50;
  double winner_settle_ms = 300;  // of those still in the running at the end, once a sweep for each variant
  double restless_ms = 3'000;     // … and at most so much longer while their process does not rest
  double late_ms = 200;           // … in which all of a spec together are launched kLateLaunches times
  static Effort thorough();
  /// What a device needs: one that times whole sequences alone in its process spreads by 0.2 %, and one visit says all.
  static Effort of(const DeviceInfo& device, bool thorough);
};

/// What may win is watched, and launched kLateLaunches times, once a sweep for each variant (by its id; tried_late:
/// some of them, for want of time); and swept over all numbers, or launched on all special values, once for each case
/// (by its key).
struct WatchedWinners {
  std::set<std::string> watched, tried_late, launched, swept, special;
  std::map<std::string, std::optional<Spacing>>
      spacing;  // of the special launches at set-up, of each case (by its key)
};

/// One case to measure.
struct CaseToRun {
  const Variant* variant = nullptr;
  BuiltModule module;
  CaseKey key;
};

struct RoundsContext {
  const Backend* backend = nullptr;
  const DeviceInfo* device = nullptr;
  const Ceilings* ceilings = nullptr;
  CaseToRun reader, bulk_reader;  // ceilings that only read, the fastest at: the same bytes, and long pieces
  Arenas* arenas = nullptr;
  ProvedSpec* proved = nullptr;  // the spec's, in the arenas, for the classes of all cases; null: made for this call
  Mode mode = Mode::decode;
  int64_t footprint = 0;
  Effort effort;
  WatchedWinners* winners = nullptr;            // what was done once for a variant; null: nothing is
  bool counters = false;                        // the hardware counts the launches, where it can
  bool special_values = false;                  // each case is tried on them, once
  std::function<void(const Variant&)> on_case;  // as each case's worker starts
};

/// Measures the cases of one spec together. Empty if interrupted before every case was settled. Never throws for what a
/// kernel does; Error if the reference disagrees with itself.
std::vector<CaseRecord> run_rounds(const Spec& spec, const std::vector<CaseToRun>& cases, const RoundsContext& context);

}  // namespace assay
