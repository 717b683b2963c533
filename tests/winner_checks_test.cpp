// What may be crowned is tried harder than the rest.
#include "measure/winner_checks.h"

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "fake_rounds.h"

namespace assay {
namespace {

double thread_us() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) * 1e6 + double(t.tv_nsec) * 1e-3;
}

const Tensor& operand(const Launch& launch, Operand operand) {
  return *std::find_if(launch.tensors.begin(), launch.tensors.end(),
                       [=](const Tensor& t) { return t.operand == operand; });
}

constexpr int kWrongPlace = 12'345;  // is near no edge: no usual launch holds its largest value there but by chance

class WinnerChecksTest : public FakeRounds {
 protected:
  WinnerChecksTest() {
    context_.mode = Mode::hot;
    context_.winners = &winners_;
    context_.special_values = true;
    context_.effort.screen_ratio = 1.5;
    context_.effort.winner_settle_ms = 0;
    context_.effort.late_ms = 0;
    context_.effort.every_number_s = context_.effort.whole_sweep_s;
    arenas_.reserve(argmax_, 0);
  }

  /// An argmax that takes so many times as long as another, and perhaps never returns kWrongPlace.
  CaseToRun argmax(const std::string& name, double times, bool is_right) {
    return work(name, [this, times, is_right](const Launch& launch, size_t, size_t) {
      const auto* const a = reinterpret_cast<const float*>(operand(launch, Operand::a).data);
      auto place = int32_t(std::max_element(a, a + operand(launch, Operand::a).dims[2]) - a);
      if (!is_right && place == kWrongPlace) place = 0;
      std::memcpy(operand(launch, Operand::d).data, &place, sizeof place);
      backend_.history().launch_us = kLaunchUs * times;
    });
  }
  std::vector<CaseRecord> run_argmax(const std::vector<CaseToRun>& cases) {
    return run_rounds(argmax_, cases, context_);
  }

  const Spec argmax_ = parse_spec("op=argmax | m=1 | n=20000 | dtA=f32");
  WatchedWinners winners_;
};

TEST_F(WinnerChecksTest, WhoIsWrongInOneNumberLosesTheCrownToOneThatWasLetGoAndIsSweptThen) {
  const std::vector<CaseToRun> cases = {argmax("fastest", 1, false), argmax("second", 3, true),
                                        argmax("third", 6, true)};
  std::vector<CaseRecord> records;
  // Once in thirty times its place is drawn before the second is let go: then there is nothing to see.
  for (int attempt = 0; attempt < 4 && (records.empty() || !records[1].has_tag(kAbandonedTag)); ++attempt) {
    winners_ = {};
    records = run_argmax(cases);
  }
  EXPECT_EQ(records[0].outcome, Outcome::wrong);
  EXPECT_NE(records[0].detail.find("the largest value at 12345"), std::string::npos) << records[0].detail;
  EXPECT_EQ(records[1].outcome, Outcome::pass) << records[1].detail;
  EXPECT_TRUE(records[1].has_tag(kAbandonedTag));
  EXPECT_FALSE(records[1].has_tag(kSomeNumbersTag));
  EXPECT_EQ(records[2].outcome, Outcome::pass) << records[2].detail;
  EXPECT_TRUE(records[2].has_tag(kSomeNumbersTag));
}

TEST_F(WinnerChecksTest, WhereEveryNumberTakesLongAShareIsTriedThatHasOneOfEachSixteen) {
  context_.effort.every_number_s = 1e-6;
  const auto of = [&](const std::string& name, int32_t wrong_from) {
    return work(name, [this, wrong_from](const Launch& launch, size_t, size_t) {
      const auto* const a = reinterpret_cast<const float*>(operand(launch, Operand::a).data);
      auto place = int32_t(std::max_element(a, a + operand(launch, Operand::a).dims[2]) - a);
      if (place >= wrong_from && place < wrong_from + 16) place = 0;
      std::memcpy(operand(launch, Operand::d).data, &place, sizeof place);
      backend_.history().launch_us = kLaunchUs;
    });
  };
  const auto honest = run_argmax({of("honest", -16)});
  EXPECT_EQ(honest[0].outcome, Outcome::pass) << honest[0].detail;
  EXPECT_FALSE(honest[0].has_tag(kSomeNumbersTag));
  const int64_t launches = honest[0].errors.launches_scanned;
  EXPECT_TRUE(launches >= 20'000 / 16 && launches < 20'000 / 2) << launches;
  winners_ = {};
  EXPECT_EQ(run_argmax({of("part", kWrongPlace / 16 * 16)})[0].outcome, Outcome::wrong);
}

TEST_F(WinnerChecksTest, AnHonestKernelThatOnceTakesLongerIsNotAccused) {
  constexpr int kCalls = 24;  // the sweep at set-up begins among them, and launches fewer at once after the slow one
  context_.effort.whole_sweep_s = 0;
  const Spec small = parse_spec("op=argmax | m=1 | n=8192 | dtA=f32");
  for (int slow = 0; slow < kCalls; ++slow) {
    int calls = 0;
    const CaseToRun honest = work("honest", [&](const Launch& launch, size_t, size_t) {
      const auto* const a = reinterpret_cast<const float*>(operand(launch, Operand::a).data);
      const auto place = int32_t(std::max_element(a, a + operand(launch, Operand::a).dims[2]) - a);
      std::memcpy(operand(launch, Operand::d).data, &place, sizeof place);
      const double until = thread_us() + (calls++ == slow ? 3'500 : 0);
      while (thread_us() < until) continue;
      backend_.history().launch_us = kLaunchUs;
    });
    const auto records = run_rounds(small, {honest}, context_);
    EXPECT_EQ(records[0].outcome, Outcome::pass) << "call " << slow << ": " << records[0].detail;
  }
}

TEST_F(WinnerChecksTest, WhatTiesWithTheBestIsSweptAndNothingElse) {
  const auto records = run_argmax({argmax("best", 1, true), argmax("ties", 1.01, false), argmax("slower", 1.2, false)});
  EXPECT_EQ(records[0].outcome, Outcome::pass) << records[0].detail;
  EXPECT_FALSE(records[0].has_tag(kSomeNumbersTag));
  EXPECT_EQ(records[1].outcome, Outcome::wrong);
  EXPECT_TRUE(records[2].outcome == Outcome::wrong || records[2].has_tag(kSomeNumbersTag)) << records[2].detail;
}

TEST_F(WinnerChecksTest, ASelftestSweepsEveryCase) {
  context_.effort.proves_all = true;
  const auto records = run_argmax({argmax("best", 1, true), argmax("wrong", 3, false)});
  EXPECT_EQ(records[0].outcome, Outcome::pass) << records[0].detail;
  EXPECT_EQ(records[1].outcome, Outcome::wrong);
}

TEST_F(WinnerChecksTest, ACaseIsSweptOnceInASweep) {
  const std::vector<CaseToRun> cases = {argmax("best", 1, true)};
  run_argmax(cases);
  EXPECT_EQ(winners_.swept.count("best"), 1u);
  context_.effort.whole_sweep_s = 0;  // as another visit that has no time
  EXPECT_FALSE(run_argmax(cases)[0].has_tag(kSomeNumbersTag));
}

/// Of products: set-up leaves special launches to chance, and what may be crowned has all of them.
class SpecialWinnersTest : public FakeRounds {
 protected:
  SpecialWinnersTest() {
    context_.winners = &winners_;
    context_.special_values = true;
    context_.effort.winner_settle_ms = 0;
    context_.effort.late_ms = 0;
  }
  /// A product that is wrong beyond 100,000 where its weights are spaced so.
  CaseToRun clips(const std::string& name, Spacing spacing, double times = 1) {
    return work(name, [this, spacing, times](const Launch& launch, size_t, size_t) {
      multiply(launch);
      backend_.history().launch_us = kLaunchUs * times;
      bool is_padded = false;
      for (const Tensor& t : launch.tensors)
        if (t.operand == Operand::b) is_padded = t.strides[1] > t.dims[2];
      for (const Tensor& t : launch.tensors)
        if (t.operand == Operand::d && is_padded == (spacing == Spacing::padded))
          for (int64_t n = 0; n < t.dims[2]; ++n)
            if (const float value = std::clamp(element(t, n), -1e5f, 1e5f); value != element(t, n))
              std::memcpy(t.data + 4 * n, &value, 4);
    });
  }
  WatchedWinners winners_;
};

TEST_F(SpecialWinnersTest, WhatMayBeCrownedIsLaunchedInBothSpacingsWhateverWasDrawn) {
  for (int i = 0; i < 8; ++i)
    for (const Spacing spacing : {Spacing::dense, Spacing::padded}) {
      winners_ = {};
      const auto records = run({clips("clips", spacing)});
      EXPECT_EQ(records[0].outcome, Outcome::wrong);
      EXPECT_NE(records[0].detail.find("on special values"), std::string::npos) << records[0].detail;
    }
}

TEST_F(SpecialWinnersTest, SoInALaterVisitWhoseWorkersHaveNone) {
  const std::vector<CaseToRun> cases = {clips("clips", Spacing::dense)};
  winners_.spacing["clips"] = Spacing::padded;
  context_.special_values = false;
  EXPECT_EQ(run(cases)[0].outcome, Outcome::wrong);
  winners_.special.insert("clips");  // which is once a sweep
  EXPECT_EQ(run(cases)[0].outcome, Outcome::pass);
}

/// Of big weights set-up shows fewer columns.
class BigSpecialWinnersTest : public SpecialWinnersTest {
 protected:
  BigSpecialWinnersTest() { arenas_.reserve(big_, 0); }
  static constexpr int64_t kColumns = 16'384;
  const Spec big_ =
      parse_spec("op=matmul | batch=1 | m=1 | n=16384 | k=80 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
};

TEST_F(BigSpecialWinnersTest, WhatMayBeCrownedIsLaunchedOnAllColumnsInBothSpacings) {
  for (const Spacing spacing : {Spacing::dense, Spacing::padded}) {
    const CaseToRun clipping = clips("clips", spacing);
    backend_.kernels["clips"] = [this, clips = backend_.kernels["clips"]](const Launch& launch, size_t thread,
                                                                          size_t threads) {
      operand(launch, Operand::b).dims[1] == kColumns ? clips(launch, thread, threads) : multiply(launch);
    };
    for (const std::optional<Spacing> at_setup : {std::optional<Spacing>(), {Spacing::dense}, {Spacing::padded}})
      for (const bool is_first_visit : {true, false}) {
        winners_ = {};
        winners_.spacing["clips"] = at_setup;
        context_.special_values = is_first_visit;
        EXPECT_EQ(run_rounds(big_, {clipping}, context_)[0].outcome, Outcome::wrong);
      }
  }
}

TEST_F(BigSpecialWinnersTest, SetUpShowsFewerColumnsToThoseWhoseManifestTakesThem) {
  const CaseToRun of_all = work("of_all", [this](const Launch& launch, size_t, size_t) {
    if (operand(launch, Operand::b).dims[1] == kColumns) multiply(launch);
    backend_.history().launch_us = kLaunchUs;
  });
  winners_.spacing["of_all"] = Spacing::dense;
  EXPECT_EQ(run_rounds(big_, {of_all}, context_)[0].outcome, Outcome::wrong) << "it says that it takes any";
  const_cast<Variant*>(of_all.variant)->supports.sizes["n"].values = {kColumns};
  EXPECT_EQ(run_rounds(big_, {of_all}, context_)[0].outcome, Outcome::pass);
}

TEST_F(SpecialWinnersTest, NoLaunchFollowsThoseOnSpecialValuesWhichTakeTheTimeInWhichAllAreIdle) {
  constexpr double kSpecialMs = 200;
  const CaseToRun case_ =
      work("case", [this, is_over = false, usual = std::set<Address>()](const Launch& launch, size_t, size_t) mutable {
        const Tensor& b = launch.tensors[1];
        const bool is_padded = b.strides[1] > b.dims[2];
        if (is_padded && !is_over) usleep(useconds_t(kSpecialMs * 1e3));
        is_over |= is_padded;
        if (!is_over) usual.insert(b.data);
        if (!is_over || !usual.count(b.data)) multiply(launch);
        backend_.history().launch_us = kLaunchUs;
      });
  context_.effort.settle_ms = 1000;
  for (const double late_ms : {1e-3, 300.0}) {
    winners_ = {};
    winners_.spacing["case"] = std::nullopt;
    context_.effort.late_ms = late_ms;
    const CaseRecord record = run({case_})[0];
    EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
    EXPECT_EQ((record.check_us < kSpecialMs * 1e3), (late_ms > 1)) << "late launches that are not over come first";
  }
}

TEST_F(SpecialWinnersTest, ASelftestLeavesNothingToChance) {
  context_.effort.proves_all = true;
  context_.effort.screen_ratio = 1.5;
  for (int i = 0; i < 4; ++i) {
    winners_ = {};
    const auto records = run({work("best",
                                   [this](const Launch& launch, size_t, size_t) {
                                     multiply(launch);
                                     backend_.history().launch_us = kLaunchUs;
                                   }),
                              clips("slow", Spacing::dense, 5)});
    EXPECT_EQ(records[0].outcome, Outcome::pass) << records[0].detail;
    EXPECT_EQ(records[1].outcome, Outcome::wrong);
  }
}

TEST_F(WinnerChecksTest, LateLaunchesFindWhatIsRightInItsFirstThousandsWhereALaunchIsASequence) {
  device_.launches_per_sample = 20;
  context_.effort.late_ms = 1000;
  context_.effort.whole_sweep_s = 0;
  const CaseToRun late = work("late", [this, launches = 0](const Launch& launch, size_t, size_t) mutable {
    const auto* const a = reinterpret_cast<const float*>(operand(launch, Operand::a).data);
    const auto place = int32_t(std::max_element(a, a + operand(launch, Operand::a).dims[2]) - a);
    if (++launches < 4000) std::memcpy(operand(launch, Operand::d).data, &place, sizeof place);
    backend_.history().launch_us = kLaunchUs;
  });
  const auto records = run_argmax({late});
  EXPECT_EQ(records[0].outcome, Outcome::wrong);
  EXPECT_NE(records[0].detail.find("launches more"), std::string::npos) << records[0].detail;
}

}  // namespace
}  // namespace assay
