// What may be crowned is tried harder: on all numbers, for thousands of launches more, and watched for longer.
#pragma once
#include <functional>
#include <set>

#include "measure/standings.h"

namespace assay {

/// At the end of a visit's rounds, while all workers are there.
class WinnerChecks {
 public:
  struct Steps {
    std::function<Answer(Contender&, const Command&)> ask;
    /// On the special values that set-up left out; null: it left out none.
    std::function<Answer(Contender&)> try_special;
    std::function<void(Contender&, const Answer&)> take;  // keeps what a step gave, or the outcome that ended the case
  };
  WinnerChecks(const Spec& spec, Standings& standings, const RoundsContext& context, Steps steps)
      : spec_(spec), standings_(standings), context_(context), steps_(std::move(steps)) {}

  /// Contenders are watched and launched kLateLaunches times, each variant once a sweep. The best of each accuracy
  /// class and all that tie with it are swept over all numbers that their op looks up, or launched on all special
  /// values of a product. Who is wrong then loses the crown to the next, who is tried in turn. A case of which less
  /// was tried is tagged so.
  void run();
  /// Of these launches those that run() would not make while it watches, and those on special values, which end a
  /// case. Until then all workers are let run, idle, in any case.
  void launch_while_idle(int64_t until_ns);

 private:
  void sweep_numbers();
  std::vector<Contender*> try_specials();
  bool was_on_specials(const Contender& c) const;
  void watch_restless(Contender& c, int64_t until_ns);
  void launch_late(const std::vector<Contender*>& contenders);
  bool may_win(const Contender& c) const;
  bool is_to_watch(const Contender& c) const;
  bool is_to_launch(const Contender& c) const;
  bool was_swept(const Contender& c) const;
  Answer ask(Contender& c, const Command& command);
  Answer timed(const std::function<Answer()>& step);

  const Spec& spec_;
  Standings& standings_;
  const RoundsContext& context_;
  const Steps steps_;
  int64_t free_until_ns_ = 0;         // while cases are watched what else is done costs nothing
  std::set<const Contender*> ended_;  // no launch of theirs may follow: in the memory of its weights are special ones
};

}  // namespace assay
