// Laws of a spec's rounds on a device whose times are to order.
#include "measure/rounds.h"

#include <gtest/gtest.h>

#include <functional>

#include "fake_rounds.h"
#include "stats/summary.h"

namespace assay {
namespace {

class RoundsTest : public FakeRounds {
 protected:
  RoundsTest() {
    context_.mode = Mode::hot;  // one copy, which has a reference: turns are of equal length
    context_.effort.screen_launches = context_.effort.screen_least_launches = 10;
    context_.effort.turn_launches = context_.effort.turn_least_launches = kTurn;
    context_.effort.turn_warm_up = 0;
    context_.effort.turn_ms = 1e6;  // turns end by their launches: how long these take is no matter of the real clock
    context_.effort.noisy_rounds = 12;
  }

  /// A right kernel whose launch number i, counted from the first, takes `times`(i) as long as it should.
  CaseToRun kernel(const std::string& name, std::function<double(int)> times) {
    return work(name, [this, times, i = 0](const Launch& launch, size_t, size_t) mutable {
      multiply(launch);
      backend_.history().launch_us = kLaunchUs * times(i++);
    });
  }

  static constexpr int kTurn = 2, kFirstTurn = 3 + 10;  // after a worker's warm-up and the screening round
};

double steady(int) { return 1; }

TEST_F(RoundsTest, SteadyCasesGetTheLeastRounds) {
  for (const CaseRecord& record : run({kernel("one", steady), kernel("two", steady)})) {
    EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
    EXPECT_EQ(record.head_to_head_us.size(), size_t(context_.effort.least_rounds));
    EXPECT_NEAR(summarize(record.head_to_head_us).median, kLaunchUs, 1e-9);
  }
}

TEST_F(RoundsTest, ATurnThatStalledCostsItsSpecMoreRoundsAndNoCaseItsRank) {
  const int stalled = kFirstTurn + 3 * kTurn;
  const auto records =
      run({kernel("one", steady),
           kernel("stalls", [stalled](int i) { return i >= stalled && i < stalled + kTurn ? 3 : 1; })});
  const Summary turns = summarize(records[1].head_to_head_us);
  EXPECT_GT(turns.max, 1.5 * turns.median) << "the stall was among the turns";
  EXPECT_EQ(records[1].outcome, Outcome::pass) << records[1].detail;
  EXPECT_NEAR(turns.median, kLaunchUs, kLaunchUs / 4);
  for (const CaseRecord& record : records) {
    EXPECT_GT(record.head_to_head_us.size(), size_t(context_.effort.least_rounds));
    EXPECT_LE(record.head_to_head_us.size(), size_t(context_.effort.noisy_rounds));
  }
}

TEST_F(RoundsTest, ACaseThatIsNeverSteadyIsNoisyAndEndsTheRoundsAllTheSame) {
  const auto records = run({kernel("one", steady), kernel("never", [](int i) { return (i + 1) / kTurn % 2 ? 1 : 4; })});
  EXPECT_EQ(records[0].outcome, Outcome::pass) << records[0].detail;
  EXPECT_EQ(records[1].outcome, Outcome::noisy) << records[1].detail;
  EXPECT_EQ(records[1].head_to_head_us.size(), size_t(context_.effort.noisy_rounds));
}

}  // namespace
}  // namespace assay
