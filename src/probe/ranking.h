// From the records of one spec to a ranking: proved cases only, ties as sets, floors beside them.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "measure/ranking_samples.h"
#include "spec/spec.h"
#include "stats/summary.h"
#include "store/record.h"

namespace assay {

struct RankingOptions {
  double tie_limit = 0.05;           // medians of a tie set are at most this far apart
  double host_gap_device_ms = 0.01;  // [host-gap]: device time within this of the best …
  double host_gap_host_ms = 0.10;    // … and host time at least this much lower than the best's
};

/// One case beside its competitors. Times in µs.
struct RankedCase {
  CaseRecord record;
  Summary device, host;           // over the unmarked samples if there are ten, else over all
  bool all_samples = false;       // marked samples had to be used
  double gbps = 0;                // record.bytes over the device median
  double percent_of_ceiling = 0;  // gbps over record.ceiling_gbps
  double percent_of_floor = 0;    // floor over median: 100 is the physical limit
  bool baseline = false, best_device = false, best_host = false, host_gap = false;
  bool in_tie_set = false;     // ties with the best device time (the best itself included)
  bool best_of_class = false;  // of its accuracy class, where variants of more than one are proved
};

/// All cases of one spec, in the order of their variants' ids. Only Outcome::pass is ever best or in a tie set.
struct RankedSpec {
  std::string spec_line, math_line;
  std::vector<RankedCase> cases;
  int best = -1;                                                  // index of the best device time, or -1
  std::array<int, kAccuracies> best_of_class = {-1, -1, -1, -1};  // the same of each accuracy class
  int best_exact() const { return best_of_class[size_t(Accuracy::exact)]; }
  double floor_us = 0, reachable_us = 0;
  double original_ms = 0;  // what the workload's own source saw for it ("vs orig"); 0 where unknown
  std::string original_device;
  double decode_us = 0;      // in mode chained: the best proved time in mode decode; 0 where the store has none
  bool in_workload = false;  // of one that was asked for
  std::string quarantine;    // "suspect the reference or the harness: all N variants fail", or ""
  std::string apart;         // of two sweeps, in which memory was so different that the best may not be it; or ""
};

/// Ranks the records of one spec. An abandoned case is never best nor in a tie set while a contender passed.
RankedSpec rank_spec(const Spec& spec, std::vector<CaseRecord> records,
                     const std::vector<std::string>& baseline_variants, const RankingOptions& options);

/// The regret of `winner` (a variant id) in another sweep's ranking of the same spec: median over best − 1; 0 inside
/// the best's tie set; -1 where it is not ranked there.
double regret(const std::string& winner, const RankedSpec& other);

}  // namespace assay
