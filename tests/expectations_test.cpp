// Laws of the self-test's verdicts: a busy machine hides nothing and accuses nobody.
#include "probe/expectations.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

const std::string kSpec = "s";

Expectation expects(const std::string& variant, Outcome outcome) {
  Expectation expected;
  expected.variant = variant;
  expected.spec = kSpec;
  expected.outcome = outcome;
  return expected;
}

RankedCase got(const std::string& variant, Outcome outcome, double us = 10) {
  RankedCase c;
  c.record.variant = variant;
  c.record.outcome = outcome;
  c.device.count = 20;
  c.device.median = c.device.min = c.device.mean = us;
  c.device.ci_low = us * 0.99, c.device.ci_high = us * 1.01;
  return c;
}

RankedSpec ranked(std::vector<RankedCase> cases) {
  RankedSpec spec;
  spec.cases = std::move(cases);
  return spec;
}

class TrialsTest : public ::testing::Test {
 protected:
  /// Attempts in which the first expectation's kernel gets one outcome after the other.
  static Trial after(const Expectation& expected, const std::vector<Outcome>& outcomes) {
    Trials trials({{}, {expected}});
    for (const Outcome outcome : outcomes) trials.add_attempt(kSpec, ranked({got(expected.variant, outcome)}));
    return trials.all()[0];
  }
};

TEST_F(TrialsTest, AWrongKernelThatPassesGotAwayHoweverBusyTheMachineIs) {
  for (const Outcome outcome : {Outcome::pass, Outcome::noisy, Outcome::crashed}) {
    const Trial trial = after(expects("v", Outcome::wrong), {outcome, Outcome::wrong});
    EXPECT_EQ(trial.desert, Desert::missed) << outcome_name(outcome) << ": another attempt does not hide it";
    EXPECT_FALSE(trial.is_fine());
  }
}

TEST_F(TrialsTest, AWrongKernelThatPassesBecauseTimeWasShortMayTakeAnotherAttempt) {
  RankedCase some = got("v", Outcome::pass);
  some.record.tags.emplace_back(kSomeNumbersTag);
  Trials trials({{}, {expects("v", Outcome::wrong)}});
  trials.add_attempt(kSpec, ranked({some}));
  EXPECT_FALSE(trials.all()[0].is_fine());
  EXPECT_EQ(trials.needed(kSpec), std::vector<std::string>{"v"});
  trials.add_attempt(kSpec, ranked({got("v", Outcome::pass)}));
  EXPECT_EQ(trials.all()[0].desert, Desert::missed) << "all numbers were tried";
}

TEST_F(TrialsTest, AnHonestKernelThatIsAccusedStaysAccused) {
  for (const Outcome outcome : {Outcome::wrong, Outcome::impossible, Outcome::crashed})
    EXPECT_EQ(after(expects("v", Outcome::pass), {outcome, Outcome::pass}).desert, Desert::missed);
}

TEST_F(TrialsTest, WhatOnlyTimesShowMayTakeAnotherAttemptAndIsMissedWhenNoneShowsIt) {
  const Expectation lies = expects("v", Outcome::impossible);
  EXPECT_EQ(after(lies, {Outcome::noisy, Outcome::pass, Outcome::impossible}).desert, Desert::exact);
  EXPECT_FALSE(after(lies, {Outcome::pass, Outcome::pass}).is_fine());
  EXPECT_EQ(after(expects("v", Outcome::wrong), {Outcome::timed_out, Outcome::wrong}).desert, Desert::exact);
  EXPECT_FALSE(after(expects("v", Outcome::wrong), {Outcome::timed_out}).is_fine());
  EXPECT_FALSE(after(expects("v", Outcome::wrong), {}).is_fine()) << "was not measured";
}

TEST_F(TrialsTest, AnHonestKernelThatStaysTooNoisyToRankIsNotAccused) {
  const Trial trial = after(expects("v", Outcome::pass), {Outcome::noisy, Outcome::noisy});
  EXPECT_EQ(trial.desert, Desert::unranked);
  EXPECT_TRUE(trial.is_fine());
}

TEST_F(TrialsTest, TwinsThatTieInOneAttemptTieAndTwinsThatNeverDoFail) {
  Expectation one = expects("one", Outcome::pass), two = expects("two", Outcome::pass);
  one.ties_with = "two", two.ties_with = "one";
  const RankedSpec apart = ranked({got("one", Outcome::pass, 10), got("two", Outcome::pass, 20)}),
                   tied = ranked({got("one", Outcome::pass, 10), got("two", Outcome::pass, 10)});
  Trials trials({{}, {one, two}});
  trials.add_attempt(kSpec, apart);
  EXPECT_FALSE(trials.all()[0].is_fine());
  EXPECT_EQ(trials.needed(kSpec).size(), 2u);
  trials.add_attempt(kSpec, tied);
  EXPECT_EQ(trials.all()[0].desert, Desert::exact);
  EXPECT_TRUE(trials.needed(kSpec).empty());
}

TEST_F(TrialsTest, AnotherAttemptRunsWhatIsOpenBesideTheHonestOnes) {
  Trials trials(
      {{}, {expects("wrong", Outcome::wrong), expects("lies", Outcome::impossible), expects("honest", Outcome::pass)}});
  trials.add_attempt(kSpec,
                     ranked({got("wrong", Outcome::wrong), got("lies", Outcome::noisy), got("honest", Outcome::pass)}));
  EXPECT_EQ(trials.needed(kSpec), (std::vector<std::string>{"lies", "honest"}));
  trials.add_attempt(kSpec, ranked({got("lies", Outcome::impossible), got("honest", Outcome::noisy)}));
  EXPECT_TRUE(trials.needed(kSpec).empty());
  EXPECT_EQ(trials.all()[2].desert, Desert::exact) << "it passed once";
}

TEST_F(TrialsTest, AKernelThatGetsAwayInALaterAttemptGotAway) {
  Expectation one = expects("one", Outcome::pass);
  one.ties_with = "gone";
  Trials trials({{}, {one}});
  trials.add_attempt(kSpec, ranked({got("one", Outcome::pass)}));
  trials.add_attempt(kSpec, ranked({got("one", Outcome::wrong)}));
  EXPECT_EQ(trials.all()[0].desert, Desert::missed);
}

}  // namespace
}  // namespace assay
