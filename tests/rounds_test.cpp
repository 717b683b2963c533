// Laws of a spec's rounds on a device whose times are to order.
#include "measure/rounds.h"

#include <gtest/gtest.h>

#include <list>

#include "fake_device.h"
#include "stats/summary.h"

namespace assay {
namespace {

class RoundsTest : public ::testing::Test {
 protected:
  RoundsTest() {
    device_.id = "fake:0";
    device_.one_worker = true;
    arenas_.reserve(spec_, 0);
    context_.backend = &backend_;
    context_.device = &device_;
    context_.ceilings = &ceilings_;
    context_.arenas = &arenas_;
    context_.mode = Mode::hot;  // one copy, which has a reference: turns are of equal length
    context_.reader =
        work("reader", [this](const Launch&, size_t, size_t) { backend_.history().launch_us = kLaunchUs; });
    context_.bulk_reader = context_.reader;
    context_.effort.screen_launches = context_.effort.screen_least_launches = 10;
    context_.effort.turn_launches = context_.effort.turn_least_launches = kTurn;
    context_.effort.turn_warm_up = 0;
    context_.effort.turn_ms = 1e6;  // turns end by their launches: how long these take is no matter of the real clock
    context_.effort.spec_budget_s = 0;
    context_.effort.settle_ms = 1;
    context_.effort.noisy_rounds = 12;
  }

  CaseToRun work(const std::string& name, FakeKernel kernel) {
    backend_.kernels[name] = std::move(kernel);
    Variant& variant = variants_.emplace_back();
    variant.family = "test";
    variant.name = name;
    CaseToRun result;
    result.variant = &variant;
    result.key = {name, name};
    return result;
  }

  /// A right kernel whose launch number i, counted from the first, takes `times`(i) as long as it should.
  CaseToRun kernel(const std::string& name, std::function<double(int)> times) {
    return work(name, [this, times, i = 0](const Launch& launch, size_t, size_t) mutable {
      multiply(launch);
      backend_.history().launch_us = kLaunchUs * times(i++);
    });
  }

  std::vector<CaseRecord> run(const std::vector<CaseToRun>& cases) { return run_rounds(spec_, cases, context_); }

  static constexpr double kLaunchUs = 0.01;             // far less than a turn takes here
  static constexpr int kTurn = 2, kFirstTurn = 3 + 10;  // after a worker's warm-up and the screening round
  const Spec spec_ = parse_spec("op=matmul | batch=1 | m=1 | n=24 | k=32 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  FakeBackend backend_;
  DeviceInfo device_;
  Ceilings ceilings_;
  Arenas arenas_;
  std::list<Variant> variants_;
  RoundsContext context_;
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
