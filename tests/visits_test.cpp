// Laws of merging several visits to one spec.
#include "measure/visits.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace assay
