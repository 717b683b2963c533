// Which kernels are worth it: all candidates of a step, in waves of shuffled rounds whose slower half is let go, until
// the time is over.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "probe/sweep.h"

namespace assay {

/// What is to be found out about one spec of the sweep's plan.
struct SearchSpec {
  double weight = 1;          // calls: what comes first where time is short
  std::vector<size_t> order;  // of its cases, the default first
};

struct SearchOptions {
  double seconds = 40;  // for all of it; each spec gets its first wave, whatever that takes
  Effort effort;        // what the device needs (Effort::of)
  bool again = false;   // finals also where all has been measured
};

class Search {
 public:
  /// specs: one for each of the sweep's plan. The sweep outlives it.
  Search(Sweep& sweep, std::vector<SearchSpec> specs, const SearchOptions& options,
         std::function<void(int visit, const Spec&, size_t spec, size_t specs)> on_final);

  /// False if interrupted; what was measured is in the store, and another search goes on from there.
  bool run();
  /// Candidates that no time was left for.
  size_t untried() const;
  /// How often the best of each spec met in the end.
  int finals() const { return finals_; }

 private:
  double spent_s() const;
  bool play_waves();
  bool play_wave(size_t spec, size_t newcomers);
  bool play_finals();
  std::vector<size_t> leaders(size_t spec, size_t at_most, double within) const;

  Sweep& sweep_;
  const std::vector<SearchSpec> specs_;
  const SearchOptions options_;
  const std::function<void(int, const Spec&, size_t, size_t)> on_final_;
  int64_t began_ns_ = 0;  // once ceilings are known; waiting for others does not count
  double waited_s_ = 0;
  int finals_ = 0;
};

/// Medians that rank a record, in µs; 0 where it has none or did not pass.
double ranking_us(const CaseRecord* record);

}  // namespace assay
