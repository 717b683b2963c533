// Laws of merging several visits to one spec.
#include "measure/visits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "probe/ranking.h"
#include "stats/summary.h"

namespace assay {
namespace {

/// Turns spread evenly over [low, high].
CaseRecord record(const std::string& variant, double low, double high, int turns = 20) {
  CaseRecord r;
  r.key = r.variant = variant;
  for (int i = 0; i < turns; ++i) r.head_to_head_us.push_back(low + (high - low) * i / (turns - 1));
  r.device_us = r.host_us = r.head_to_head_us;
  r.disturbed.assign(r.device_us.size(), 0);
  return r;
}

double median_of(const CaseRecord& r) { return summarize(ranking_samples(r).device_us).median; }

TEST(Visits, AMachineThatRanTwiceAsFastInOneOfThemDecidesNothing) {
  CaseRecord a = record("a", 10, 11), b = record("b", 20, 22);
  std::vector<CaseRecord*> first{&a, &b};
  merge_visit(first, {record("a", 5, 5.5), record("b", 10, 11)});
  EXPECT_NEAR(median_of(b) / median_of(a), 2, 0.1);
  EXPECT_EQ(a.device_us.size(), 40u);
  EXPECT_NEAR(summarize(a.head_to_head_us).ci_high / summarize(a.head_to_head_us).ci_low, 1, 0.12);
}

TEST(Visits, NoiseInOneOfThemIsForgottenWhenAllTogetherAreClear) {
  CaseRecord a = record("a", 1, 100);
  judge_noise(a);
  ASSERT_EQ(a.outcome, Outcome::noisy);
  std::vector<CaseRecord*> first{&a};
  for (int visit = 0; visit < 6; ++visit) merge_visit(first, {record("a", 50, 51)});
  EXPECT_EQ(a.outcome, Outcome::pass) << a.detail;
  EXPECT_EQ(a.detail, "");
}

TEST(Visits, NoiseInALaterOneCountsWhenAllTogetherAreNoisy) {
  CaseRecord a = record("a", 10, 11, 5);
  judge_noise(a);
  ASSERT_EQ(a.outcome, Outcome::pass);
  std::vector<CaseRecord*> first{&a};
  merge_visit(first, {record("a", 1, 2000, 5)});
  EXPECT_EQ(a.outcome, Outcome::noisy);
  EXPECT_NE(a.detail.find("the median lies between"), std::string::npos);
}

TEST(Visits, AnyOtherOutcomeThanPassWinsAndIsNeverJudgedAway) {
  CaseRecord a = record("a", 10, 11), later = record("a", 10, 11);
  later.outcome = Outcome::wrong;
  later.detail = "element 3";
  std::vector<CaseRecord*> first{&a};
  merge_visit(first, {later});
  merge_visit(first, {record("a", 10, 11)});
  EXPECT_EQ(a.outcome, Outcome::wrong);
  EXPECT_EQ(a.detail, "element 3");
}

/// A contender whose turns spread by 1 % around the mean of the visits that it took part in.
VisitedCase visited(std::vector<double> visit_us, Accuracy accuracy = Accuracy::exact) {
  double sum = 0, visits = 0;
  for (const double us : visit_us)
    if (!std::isnan(us)) sum += us, ++visits;
  const double mean = sum / visits;
  std::vector<double> turns;
  for (int i = 0; i < 20; ++i) turns.push_back(mean * (0.995 + 0.0005 * i));
  return {accuracy, summarize(turns), std::move(visit_us)};
}

TEST(Visits, TheyAgreeWhereTheBestOfAllIsWithinThreePercentOfTheBestOfEach) {
  EXPECT_TRUE(visits_agree({visited({10, 10}), visited({11, 10.5})}));
  EXPECT_TRUE(visits_agree({visited({10, 10.2}), visited({10.4, 10})})) << "2 % behind in one of them";
  EXPECT_FALSE(visits_agree({visited({10, 10.4}), visited({10.5, 10})})) << "4 % behind in one of them";
  EXPECT_TRUE(visits_agree({visited({10, 10, 10}), visited({11, 11})})) << "who was let go after two says no more";
  EXPECT_TRUE(visits_agree({visited({10, NAN}), visited({NAN, 11})}));
}

TEST(Visits, TheyDoNotAgreeOnWhatIsNotKnownWell) {
  VisitedCase wide = visited({10, 10});
  wide.merged.ci_high = wide.merged.median * 1.06;
  EXPECT_FALSE(visits_agree({wide, visited({20, 20})}));
  EXPECT_TRUE(visits_agree({visited({10, 10}), wide})) << "its turns are as fast as the best's: it is not the best";
}

TEST(Visits, TheyMustAgreeOnTheBestOfEachClass) {
  const VisitedCase fastest = visited({5, 5}, Accuracy::int8_activation);
  EXPECT_TRUE(visits_agree({fastest, visited({10, 10}), visited({11, 11})}));
  EXPECT_FALSE(visits_agree({fastest, visited({10, 10.4}), visited({10.5, 10})}));
  EXPECT_TRUE(visits_agree({visited({5, 5}), visited({5.5, 7}, Accuracy::int8_activation)}));
}

TEST(Visits, WhoIsClearlySlowerThanOneOfItsClassMayNotBeTheBest) {
  const VisitedCase best = visited({10, 10}), slower = visited({11, 11}), close = visited({10.4, 10.4}),
                    int8 = visited({5, 5}, Accuracy::int8_activation);
  const std::vector<VisitedCase> all{best, slower, close, int8};
  EXPECT_TRUE(may_be_best(best, all)) << "a less accurate one makes nobody give up";
  EXPECT_TRUE(may_be_best(close, all));
  EXPECT_FALSE(may_be_best(slower, all));
  EXPECT_TRUE(may_be_best(int8, all));
}

}  // namespace
}  // namespace assay
