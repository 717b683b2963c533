// From a model to a dispatch table whose promise is kept when the model runs: search, choice, prediction, proof.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "probe/sweep.h"
#include "tune/context_bench.h"
#include "tune/table_section.h"

namespace assay {

struct TuneRequest {
  const Backend* backend = nullptr;
  DeviceInfo device;
  std::vector<const Variant*> variants;
  size_t shipped = SIZE_MAX;  // the first so many of them: others were dropped in
  BuildCache* cache = nullptr;
  Store* store = nullptr;
  std::string model;                                            // the file
  const DispatchTable* defaults = nullptr;                      // the shipped table …
  const TableDevice* default_section = nullptr;                 // … and its section for this device
  const TableDevice* earlier = nullptr;                         // of this device's own table, or nullptr
  std::vector<std::pair<std::string, std::string>> properties;  // of the section to come
  std::optional<Accuracy> accuracy;  // the least accurate class; nothing: of each weight, the default's
  double budget_s = 60;
  double mix = 4;
  bool prefill = false, fresh = false, proves = true;
  int turns = 10;
  std::string made_by, environment;
  ContextRequest context;  // the children's
};

/// What it tells while it goes; every function may be empty.
struct TuneEvents {
  SweepEvents sweep;
  std::function<void(size_t cases, size_t finals)> on_plan;  // how many are to be measured
  std::function<void(int turn, int turns, double left_s)> on_turn;
  std::function<void(const std::string&)> say;  // a line of the report, as it becomes known
  size_t width = 0;                             // columns that `say` has; 0: as many as it needs
};

/// Runs of two tables in turns, in ms a token, and what was predicted just before each.
struct Turns {
  std::vector<double> before, after;
  std::vector<double> predicted_before, predicted_after;
  std::vector<double> prompt_before, prompt_after;
};

struct TuneResult {
  std::vector<TunedOp> step;
  TableDevice section;
  double predicted_before_ms = 0, predicted_ms = 0;  // before any child ran, then the median before each; 0: unknown
  std::vector<std::string> unmeasured;               // ops without a proved kernel: the prediction lacks them
  Turns turns;                                       // of the final table against the default
  size_t candidates = 0, untried = 0;
  double floor_ms = 0;
  double predicted_low_ms = 0, predicted_high_ms = 0;  // of the prediction before any child ran; 0: unknown
  double alone_between_ms = 0, between_ms = 0;         // of a token, in no op: foretold, and where the model runs
  bool interrupted = false, from_store = false;
  bool is_default_best() const;
  std::string text;  // the report
};

/// Error where the model cannot be run, or a child fails. Ctrl-C: `interrupted`; the same request goes on from there.
TuneResult tune(const TuneRequest& request, const TuneEvents& events);

}  // namespace assay
