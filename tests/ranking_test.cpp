// Laws of ranking: who is best, who ties, what is priced, and what is never crowned.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "probe/pricing.h"

namespace assay {
namespace {

const char* kLine = "op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16";

/// `count` samples within ±1 % of `us`, evenly spread, in an order that is no trend.
std::vector<double> around(double us, size_t count = 20) {
  std::vector<double> samples;
  for (size_t i = 0; i < count; ++i) samples.push_back(us * (0.99 + 0.02 * double(i * 7 % count) / double(count)));
  return samples;
}

CaseRecord record(const std::string& variant, double device_us, double host_us) {
  CaseRecord result;
  result.variant = variant;
  result.device = "cpu:0";
  result.mode = "decode";
  result.device_us = around(device_us);
  result.host_us = around(host_us);
  result.disturbed.assign(result.device_us.size(), 0);
  result.bytes = 1'000'000;
  result.ceiling_gbps = 40;
  result.floor_us = 25;
  return result;
}

RankedSpec rank(std::vector<CaseRecord> records, const std::vector<std::string>& baselines = {}) {
  return rank_spec(parse_spec(kLine), std::move(records), baselines, {});
}

const RankedCase& case_of(const RankedSpec& spec, const std::string& variant) {
  for (const RankedCase& ranked : spec.cases)
    if (ranked.record.variant == variant) return ranked;
  throw std::runtime_error("no case " + variant);
}

TEST(Ranking, ACrownOverACaseThatWasMeasuredWhenMemoryWasSlowerSaysSo) {
  CaseRecord then = record("a/then", 50, 55), now = record("b/now", 35, 40);
  then.floor_us = 49, now.floor_us = 28;
  const RankedSpec spec = rank({then, now});
  EXPECT_EQ(spec.best, 1);
  EXPECT_NE(spec.apart.find("a/then another time 98 % of 49.0 us"), std::string::npos) << spec.apart;
  EXPECT_NE(spec.apart.find("--fresh"), std::string::npos);
  then.floor_us = 28;
  EXPECT_EQ(rank({then, now}).apart, "") << "of one sweep";
  then.floor_us = 40.5;
  EXPECT_EQ(rank({then, now}).apart, "") << "as near, within a tie";
  then.floor_us = 49;
  then.tags.push_back("abandoned");
  EXPECT_EQ(rank({then, now}).apart, "") << "it was far behind at its time";
}

TEST(Ranking, TheLowestDeviceMedianIsBestAndCasesStandInTheOrderOfTheirIds) {
  const RankedSpec spec = rank({record("b/two", 100, 110), record("a/one", 200, 105)}, {"a/one"});
  ASSERT_EQ(spec.cases.size(), 2u);
  EXPECT_EQ(spec.cases[0].record.variant, "a/one");
  ASSERT_EQ(spec.best, 1);
  EXPECT_TRUE(spec.cases[1].best_device);
  EXPECT_FALSE(spec.cases[0].best_device);
  EXPECT_TRUE(spec.cases[0].best_host);
  EXPECT_FALSE(spec.cases[1].best_host);
  EXPECT_TRUE(spec.cases[0].baseline);
  EXPECT_FALSE(spec.cases[1].baseline);
  EXPECT_NEAR(spec.cases[1].gbps, 10, 0.2);
  EXPECT_NEAR(spec.cases[1].percent_of_ceiling, 25, 0.5);
  EXPECT_NEAR(spec.cases[1].percent_of_floor, 25, 0.5);
  EXPECT_DOUBLE_EQ(spec.floor_us, 25);
}

TEST(Ranking, NothingThatDidNotPassIsEverBestHoweverFast) {
  for (const Outcome outcome :
       {Outcome::wrong, Outcome::impossible, Outcome::noisy, Outcome::unsupported, Outcome::build_failed,
        Outcome::device_limit, Outcome::launch_failed, Outcome::crashed, Outcome::timed_out}) {
    CaseRecord fast = record("a/fast", 1, 1);
    fast.outcome = outcome;
    const RankedSpec spec = rank({fast, record("b/slow", 100, 110)});
    const RankedCase& liar = case_of(spec, "a/fast");
    EXPECT_FALSE(liar.best_device || liar.best_host || liar.host_gap || liar.in_tie_set) << outcome_name(outcome);
    EXPECT_TRUE(case_of(spec, "b/slow").best_device);
    EXPECT_EQ(rank({fast}).best, -1);
  }
}

TEST(Ranking, TheSameKernelTwiceIsATieAndAClearLoserIsNone) {
  const RankedSpec spec = rank({record("a/x", 100, 110), record("b/x", 100, 110), record("c/slow", 150, 160)});
  EXPECT_TRUE(case_of(spec, "a/x").in_tie_set);
  EXPECT_TRUE(case_of(spec, "b/x").in_tie_set);
  EXPECT_FALSE(case_of(spec, "c/slow").in_tie_set);
}

TEST(Ranking, HeadToHeadRoundsDecideAmongContenders) {
  CaseRecord a = record("a/early_luck", 80, 90), b = record("b/steady", 100, 110);
  a.head_to_head_us = around(120);
  b.head_to_head_us = around(100);
  const RankedSpec spec = rank({a, b});
  EXPECT_TRUE(case_of(spec, "b/steady").best_device);
  EXPECT_NEAR(case_of(spec, "a/early_luck").device.median, 120, 2);
}

TEST(Ranking, AnAbandonedCaseIsNotBestWhileAContenderPassed) {
  CaseRecord abandoned = record("a/abandoned", 90, 95);
  abandoned.tags = {"abandoned"};
  const RankedSpec spec = rank({abandoned, record("b/contender", 92, 110)});
  EXPECT_TRUE(case_of(spec, "b/contender").best_device);
  EXPECT_FALSE(case_of(spec, "a/abandoned").in_tie_set);
  EXPECT_TRUE(rank({abandoned}).cases[0].best_device);
}

CaseRecord rounded(CaseRecord record, Accuracy accuracy) {
  record.accuracy = accuracy;
  return record;
}

TEST(Ranking, WhereClassesDifferEachHasItsBest) {
  const RankedSpec spec = rank({record("a/exact", 100, 110), record("b/exact", 120, 125),
                                rounded(record("c/int8", 60, 70), Accuracy::int8_activation),
                                rounded(record("d/int8", 80, 90), Accuracy::int8_activation)});
  EXPECT_EQ(spec.cases[size_t(spec.best)].record.variant, "c/int8");
  EXPECT_EQ(spec.cases[size_t(spec.best_exact())].record.variant, "a/exact");
  EXPECT_EQ(spec.best_of_class[size_t(Accuracy::f16_activation)], -1);
  EXPECT_TRUE(case_of(spec, "a/exact").best_of_class && case_of(spec, "c/int8").best_of_class);
  EXPECT_FALSE(case_of(spec, "b/exact").best_of_class || case_of(spec, "d/int8").best_of_class);
  EXPECT_FALSE(case_of(rank({record("a/exact", 100, 110)}), "a/exact").best_of_class)
      << "one class alone needs no mark";
}

TEST(Ranking, DisturbedSamplesAreLeftOutWhenTenOthersRemain) {
  CaseRecord marked = record("a/x", 100, 110);
  for (size_t i = 0; i < 10; ++i) {
    marked.device_us[i] = 900;
    marked.disturbed[i] = 1;
  }
  const RankedCase clean = rank({marked}).cases[0];
  EXPECT_EQ(clean.device.count, 10u);
  EXPECT_LT(clean.device.max, 110);
  EXPECT_FALSE(clean.all_samples);
  marked.disturbed[10] = 1;
  const RankedCase all = rank({marked}).cases[0];
  EXPECT_EQ(all.device.count, 20u);
  EXPECT_TRUE(all.all_samples);
}

TEST(Ranking, FewTurnsDoNotOutweighManyLaunches) {
  CaseRecord few = record("a/x", 100, 110);
  few.head_to_head_us.assign(4, 300);
  EXPECT_EQ(ranking_samples(few).device_us.size(), 20u);
  few.head_to_head_us.assign(5, 300);
  EXPECT_EQ(ranking_samples(few).device_us, few.head_to_head_us);
  EXPECT_EQ(ranking_samples(few, false).device_us.size(), 20u);
}

TEST(Ranking, HostTimesStandAtTheLevelOfTheDeviceTimesThatRank) {
  CaseRecord drifted = record("a/drifted", 25.0, 25.4);
  drifted.head_to_head_us = around(25.87);
  const RankedCase ranked = rank({drifted}).cases[0];
  EXPECT_NEAR(ranked.device.median, 25.87, 0.1);
  EXPECT_NEAR(ranked.host.median / ranked.device.median, 25.4 / 25.0, 1e-6);
  drifted.head_to_head_us.clear();
  EXPECT_NEAR(rank({drifted}).cases[0].host.median, 25.4, 0.1);
}

TEST(Ranking, AHostGapIsNearTheBestOnTheDeviceAndClearlySoonerOnTheHostAndNeverTheBestItself) {
  const RankedSpec spec = rank({record("a/best", 100, 400), record("b/gap", 108, 290), record("c/far", 115, 250),
                                record("d/small_gain", 105, 310)});
  EXPECT_FALSE(case_of(spec, "a/best").host_gap);
  EXPECT_TRUE(case_of(spec, "b/gap").host_gap);
  EXPECT_FALSE(case_of(spec, "c/far").host_gap);
  EXPECT_FALSE(case_of(spec, "d/small_gain").host_gap);
  EXPECT_TRUE(case_of(spec, "c/far").best_host);
}

TEST(Ranking, WhenAllJudgedVariantsAreWrongTheReferenceIsSuspected) {
  CaseRecord a = record("a/x", 1, 1), b = record("b/x", 1, 1), c = record("c/x", 1, 1);
  a.outcome = b.outcome = Outcome::wrong;
  c.outcome = Outcome::crashed;
  EXPECT_NE(rank({a, b, c}).quarantine.find("suspect the reference or the harness"), std::string::npos);
  EXPECT_EQ(rank({a}).quarantine, "");
  c.outcome = Outcome::pass;
  EXPECT_EQ(rank({a, b, c}).quarantine, "");
}

TEST(Ranking, NoSamplesAndNotANumberAreRankedNowhere) {
  CaseRecord empty = record("a/empty", 1, 1), nan = record("b/nan", 1, 1), mixed = record("c/mixed", 100, 110);
  empty.device_us.clear();
  empty.host_us.clear();
  nan.device_us.assign(20, std::numeric_limits<double>::quiet_NaN());
  nan.host_us.clear();
  mixed.device_us[3] = std::numeric_limits<double>::infinity();
  const RankedSpec spec = rank({empty, nan, mixed});
  EXPECT_EQ(spec.best, 2);
  EXPECT_TRUE(std::isfinite(spec.cases[2].device.max));
  EXPECT_FALSE(spec.cases[0].best_host || spec.cases[1].best_host);
  EXPECT_EQ(rank({}).best, -1);
}

TEST(Regret, IsZeroInsideTheTieSetAndOtherwiseWhatTheBestIsFasterBy) {
  const RankedSpec other = rank({record("a/best", 100, 1), record("b/tie", 100.2, 1), record("c/slow", 130, 1)});
  EXPECT_EQ(regret("a/best", other), 0);
  EXPECT_EQ(regret("b/tie", other), 0);
  EXPECT_NEAR(regret("c/slow", other), 0.3, 0.01);
  EXPECT_EQ(regret("d/absent", other), -1);
  CaseRecord broken = record("a/best", 100, 1);
  broken.outcome = Outcome::wrong;
  EXPECT_EQ(regret("a/best", rank({broken})), -1);
}

std::string scores_line(int64_t n) {
  return "op=matmul | batch=14 | m=1 | n=" + std::to_string(n) +
         " | k=64 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16 | alpha=0.125 | beta=0";
}

Workload attention_workload() {
  Workload workload;
  workload.name = "w";
  WorkloadFamily& family = workload.families.emplace_back();
  family.name = "attention_scores";
  family.prototype = parse_spec(scores_line(1));
  family.varied = "n";
  family.first = 1;
  family.last = 95;
  family.calls_per_token_each = 24.0 / 95;
  for (const int64_t n : {20, 40}) {
    WorkloadEntry entry;
    entry.spec = parse_spec(scores_line(n));
    entry.calls_per_token = 24.0 / 95;
    entry.family = "attention_scores";
    entry.sources.push_back({"seed-002", 41, scores_line(n), {}, {{"mlx", "Apple laptop GPU", 0.159, 24}}, 24.0 / 95});
    workload.entries.push_back(entry);
  }
  WorkloadEntry dense;
  dense.spec = parse_spec(kLine);
  dense.calls_per_token = 24;
  workload.entries.push_back(dense);
  return workload;
}

std::vector<RankedSpec> attention_rankings(double us_20, double us_40) {
  std::vector<RankedSpec> specs;
  specs.push_back(rank_spec(parse_spec(scores_line(20)), {record("s/x", us_20, 1)}, {}, {}));
  specs.push_back(rank_spec(parse_spec(scores_line(40)), {record("s/x", us_40, 1)}, {}, {}));
  specs.push_back(rank({record("a/x", 125, 130)}));
  for (RankedSpec& spec : specs) spec.floor_us = 1;
  return specs;
}

TEST(Price, EachEntryIsCallsTimesItsBestAndWhatIsAboveTheFloorCanBeWon) {
  const WorkloadTable table = price_workload(attention_workload(), attention_rankings(20, 40), 40);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].best_variant, "a/x");
  EXPECT_NEAR(table.rows[0].total_ms, 24 * 0.125, 0.05);
  EXPECT_NEAR(table.rows[0].to_win_ms, 24 * 0.124, 0.05);
  EXPECT_TRUE(table.missing.empty());
  EXPECT_NEAR(table.total_ms, table.rows[0].total_ms + table.rows[1].total_ms, 1e-12);
}

TEST(Price, AFamilyCountsEveryLengthOnceAndInterpolatesWhatWasNotMeasured) {
  const WorkloadTable table = price_workload(attention_workload(), attention_rankings(20, 40), 1e6);
  const WorkloadRow& family = table.rows[1];
  EXPECT_EQ(family.spec_line, "attention_scores n=1..95");
  EXPECT_EQ(family.measured, 2);
  EXPECT_EQ(family.interpolated, 93);
  EXPECT_NEAR(family.calls_per_token, 24, 1e-9);
  EXPECT_NEAR(table.calls_per_token, 48, 1e-9);
  // On the line t(n) = n through both points, the mean over 1..95 is 48 (samples are off by up to 1 %).
  EXPECT_NEAR(family.best_us, 48, 0.5);
  EXPECT_NEAR(family.total_ms, 24 * 0.048, 0.012);
  EXPECT_EQ(family.sources.size(), 2u);
  EXPECT_EQ(family.sources[0], "seed-002:41 matmul mlx 0.159 ms on Apple laptop GPU");
}

TEST(Price, AnExtrapolatedLengthNeverFallsBelowItsFloor) {
  const WorkloadTable table = price_workload(attention_workload(), attention_rankings(60, 20), 1);
  EXPECT_GE(table.rows[1].to_win_ms, 0);
  EXPECT_GE(table.rows[1].best_us, table.rows[1].floor_us);
}

TEST(Price, WhatHasNoProvedVariantIsListedAndInNoSum) {
  CaseRecord wrong = record("a/x", 1, 1);
  wrong.outcome = Outcome::wrong;
  Workload workload = attention_workload();
  workload.quarantined.push_back({{"seed-003", 7, "op=matmul | n=?", {}, {}, 1}, "no dtype"});
  const WorkloadTable table = price_workload(workload, {rank({wrong})}, 40);
  EXPECT_EQ(table.missing.size(), 2u);
  EXPECT_EQ(table.total_ms, 0);
  EXPECT_EQ(table.to_win_ms, 0);
  EXPECT_EQ(table.calls_per_token, 0);
  EXPECT_EQ(table.rows[0].best_variant, "");
  ASSERT_EQ(table.quarantined.size(), 1u);
  EXPECT_NE(table.quarantined[0].find("seed-003:7"), std::string::npos);
  EXPECT_TRUE(price_workload({}, {}, 0).rows.empty());
}

TEST(Price, OneMeasuredLengthPricesItsWholeFamilyAlike) {
  std::vector<RankedSpec> specs = attention_rankings(20, 40);
  specs.erase(specs.begin() + 1);
  const WorkloadTable table = price_workload(attention_workload(), specs, 1e6);
  EXPECT_EQ(table.rows[1].measured, 1);
  EXPECT_NEAR(table.rows[1].best_us, 20, 0.4);
}

}  // namespace
}  // namespace assay
