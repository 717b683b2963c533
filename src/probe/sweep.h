// A whole probe run: plan, what the store already has, builds, ceilings, the rounds of every spec, the report.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "measure/case_key.h"
#include "measure/readers.h"
#include "measure/rounds.h"
#include "measure/visits.h"
#include "measure/worker_process.h"
#include "probe/sweep_report.h"
#include "store/store.h"

namespace assay {

class MeasuringLock;

/// What a run tells while it goes; every function may be empty.
struct SweepEvents {
  std::function<void(const Variant&, size_t done, size_t total)> on_build;  // one that had to be compiled
  std::function<void(const Variant&, const Spec&)> on_case;                 // its worker starts
  std::function<void(size_t cases)> on_done;                                // so many more are finished
  std::function<void(int visit, const Spec&, size_t spec, size_t specs)>
      on_revisit;                                // later visits, specs and specs counted from 1
  std::function<void(const std::string&)> note;  // one line: waiting for the lock, measuring ceilings …
};

struct SweepOptions {
  Mode mode = Mode::decode;
  Effort effort;
  bool thorough = false;
  bool quick = false;     // for a search: few rounds, and what was measured so counts as measured
  bool fresh = false;     // measure again what the store has
  bool counters = false;  // the hardware counts; what the store has without counts is measured again
  int64_t footprint = 0;  // 0: chosen from the ceilings
  int64_t largest_footprint = int64_t(512) << 20;
  RankingOptions ranking;
  std::string environment;  // readable text for the store
};

class Sweep {
 public:
  Sweep(const Backend& backend, DeviceInfo device, std::vector<const Variant*> variants, Plan plan, BuildCache& cache,
        Store& store, SweepOptions options, SweepEvents events);

  /// Cases that the store does not have yet.
  size_t missing() const;
  /// What measuring them takes, roughly.
  double expected_seconds() const;
  /// Builds and measures them. Stops early when interrupted; what is finished is in the store.
  void run();
  /// Builds the kernels of all planned cases, measured or not. What went wrong, a line each, with the compiler's
  /// messages.
  std::vector<std::string> build_only();
  // For who decides himself what is measured next (tune), a spec of the plan and its cases by number.
  /// What run() does before its first spec. False if interrupted.
  bool begin();
  /// Measures these cases of a spec beside each other: what has no record gets one, the others' grow. After begin().
  /// False if interrupted.
  bool play(size_t spec, const std::vector<size_t>& cases, const Effort& effort);
  /// How long others held the measuring lock.
  double waited_s() const { return waited_s_; }
  size_t specs() const { return specs_.size(); }
  const Spec& spec(size_t spec) const { return specs_[spec].spec; }
  /// A hash of all cases' keys: the same question about the same kernels on the same device.
  std::string plan_identity() const;
  /// nullptr: not measured.
  const CaseRecord* record(size_t spec, size_t index) const;

  /// Ranks everything that the plan names and the store or this run has.
  SweepReport report(const std::vector<Workload>& workloads) const;

  /// The device's ceilings: the store's, or (also if `again`) measured now and put there.
  const Ceilings& ceilings(bool again = false);
  /// Those that this sweep or the store has; nullptr: none. Measures nothing.
  const Ceilings* known_ceilings();

 private:
  struct Case {
    PlannedCase planned;
    CaseKey key;
    std::optional<CaseRecord> record;
    bool measured_now = false;
    std::vector<double> visit_us;  // its median in each visit of this run
  };
  struct SpecState {
    Spec spec;
    std::vector<Case> cases;
    std::string quarantine;              // the reference disagrees with itself
    bool has_inputs = false;             // the arenas have room for its copies
    std::unique_ptr<ProvedSpec> proved;  // from the first visit on, where there is room for it
  };

  static bool is_to_run(const Case& c) { return !c.record && c.planned.over_limit.empty(); }
  bool enough(const CaseRecord& record, const PlannedCase& planned) const;
  void build(bool also_measured);
  void compile(const std::vector<const Variant*>& variants);
  bool is_to_measure(SpecState& state, Case& c);
  bool acquire(MeasuringLock& lock);
  int64_t cold_footprint() const;
  void reserve_inputs(SpecState& state, int64_t footprint);
  std::string readers_key(int64_t footprint);
  void choose_readers(int64_t footprint);
  CaseToRun reader_of(int64_t bytes);
  RoundsContext rounds_context(const SpecState& state);
  void measure(SpecState& state);
  static bool contends(const Case& c);
  double decode_us(const SpecState& state) const;
  std::vector<CaseRecord> rounds_of(SpecState& state, const std::vector<CaseToRun>& cases, RoundsContext context,
                                    bool keep);
  static std::vector<VisitedCase> visited(const SpecState& state);
  bool is_decided(const SpecState& state, int visit) const;
  void revisit(SpecState& state, int visit);
  void keep_visit(std::vector<CaseRecord*>& records, std::vector<CaseRecord> later);
  static void note_visit(Case& c, const CaseRecord& record, int visit);
  void revisit_contested(MeasuringLock& lock);
  void prove_crowned(MeasuringLock& lock);
  void prove(SpecState& state, const std::vector<Case*>& targets);
  void look_up(SpecState& state);
  static std::set<std::string> crowned_in_part(const SpecState& state);
  bool forget_proved_in_part(SpecState& state);
  void keep(Case& c, CaseRecord record);
  BuiltModule built(const Variant& variant);
  std::string device_key() const;
  void note(const std::string& text) const {
    if (events_.note) events_.note(text);
  }

  const Backend& backend_;
  DeviceInfo device_;
  std::vector<const Variant*> variants_;
  Plan plan_;
  BuildCache& cache_;
  Store& store_;
  SweepOptions options_;
  SweepEvents events_;
  CeilingKernels ceiling_kernels_;
  std::optional<Ceilings> ceilings_;
  BestReaders best_readers_;
  std::vector<SpecState> specs_;
  std::map<std::string, BuiltModule> modules_;  // by variant id
  Arenas arenas_{/*huge_pages=*/true, interrupted};
  WatchedWinners winners_;  // of this sweep
  std::string environment_id_;
  double waited_s_ = 0;
};

}  // namespace assay
