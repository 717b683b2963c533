// What the turns of one spec's cases say so far: who is let go, when they say enough, and the records that come of
// them.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/rounds.h"
#include "stats/summary.h"

namespace assay {

/// A case while it is being measured, or a reader. Times in µs.
struct Contender {
  const CaseToRun* work = nullptr;
  CaseRecord record;
  WorkerCase worker_case;
  std::shared_ptr<WorkerGroup> worker;  // null once it has ended
  size_t index = 0;                     // in the group
  Reply last;
  bool contends = true;
  int64_t counted_launches = 0;  // what the record's counts are the mean of
  std::vector<double> encode_us, submit_us, wait_us;
  std::vector<double> turn_us;  // median of each turn among the contenders, one a round until it is let go
  bool running() const { return worker && record.outcome == Outcome::pass; }
  bool competes() const { return running() && contends; }
};

class Standings {
 public:
  Standings(const Spec& spec, const RoundsContext& context) : spec_(spec), context_(context) {}

  std::vector<Contender> cases;
  Contender reader, bulk_reader;  // of single copies, and of long pieces
  /// The readers and the cases, in this order.
  std::vector<Contender*> everyone();

  /// After each round: cases that are clearly slower than the best take no more turns.
  void let_losers_go();
  /// Lets go all but Effort::keep_share of those that still compete, but nothing that may be as fast as the best. No
  /// less accurate case makes another give up.
  void keep_best();
  /// Whether a contender would be noisy.
  bool any_noisy() const;
  /// Whether every contender's interval is as narrow as wanted.
  bool all_converged() const;
  /// Whoever may be the best of its accuracy class as far as this visit tells, and is not proved yet: of the
  /// contenders, or, where none of them passes, of those that were let go. Null: all are.
  Contender* next_to_prove(const std::function<bool(const Contender&)>& is_proved);
  /// The records, in the order of the cases, judged by physics and by noise. Once, at the end: they are moved out.
  std::vector<CaseRecord> judge();

 private:
  Summary standing(const Contender& c) const;
  std::vector<double> levelled_turns(const Contender& c) const;
  double steady_gbps() const;
  double of_all_bytes(double gbps) const;
  int64_t timed_bytes() const;
  std::string accusation(const Contender& c) const;
  void judge_times(Contender& c);

  const Spec& spec_;
  const RoundsContext& context_;
};

}  // namespace assay
