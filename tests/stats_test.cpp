// Laws of stats/: summaries, the interval of the median, and the verdicts of a comparison.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "processor_time.h"
#include "stats/comparison.h"

namespace assay {
namespace {

using Samples = std::vector<double>;

Samples normal_times(std::mt19937_64& random, size_t count, double centre, double relative_noise) {
  std::normal_distribution<double> noise(centre, centre * relative_noise);
  Samples samples(count);
  for (double& sample : samples) sample = noise(random);
  return samples;
}

Samples one_to(size_t n) {
  Samples samples(n);
  for (size_t i = 0; i < n; ++i) samples[i] = double(n - i);  // descending: sorting is the summary's work
  return samples;
}

TEST(Percentile, InterpolatesBetweenNeighboursByTheStatedRule) {
  EXPECT_DOUBLE_EQ(percentile(Samples{4, 1, 3, 2}, 50), 2.5);
  EXPECT_DOUBLE_EQ(percentile(Samples{4, 1, 3, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(percentile(Samples{4, 1, 3, 2}, 100), 4);
  EXPECT_DOUBLE_EQ(percentile(Samples{10, 20, 30, 40, 50}, 95), 48);
  EXPECT_DOUBLE_EQ(percentile(Samples{7}, 33), 7);
  EXPECT_DOUBLE_EQ(percentile(Samples{}, 50), 0);
}

TEST(Percentile, AnInfiniteSampleDoesNotSpoilTheFiniteOnes) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_DOUBLE_EQ(percentile(Samples{inf, 1, 2}, 50), 2);
  EXPECT_EQ(percentile(Samples{inf, inf, 2, inf}, 90), inf);
}

TEST(Summary, OfNothingIsAllZeros) {
  const Summary summary = summarize({});
  EXPECT_EQ(summary.count, 0u);
  EXPECT_EQ(summary.median, 0);
  EXPECT_EQ(summary.ci_high, 0);
  EXPECT_FALSE(converged(summary, 1, 0));
}

TEST(Summary, HasTheKnownValuesOfASmallSet) {
  const Summary summary = summarize(Samples{5, 1, 4, 2, 3});
  EXPECT_EQ(summary.count, 5u);
  EXPECT_DOUBLE_EQ(summary.median, 3);
  EXPECT_DOUBLE_EQ(summary.min, 1);
  EXPECT_DOUBLE_EQ(summary.max, 5);
  EXPECT_DOUBLE_EQ(summary.mean, 3);
  EXPECT_DOUBLE_EQ(summary.p95, 4.8);
  EXPECT_DOUBLE_EQ(summary.spread, 2.0 / 3);
}

// Ranks of the tables of the sign test (Conover, Practical Nonparametric Statistics, table A3: p = 0.5, α/2 = 0.025).
TEST(MedianInterval, UsesTheRanksOfTheSignTest) {
  const std::vector<std::pair<size_t, size_t>> expected = {{1, 1},   {2, 1},    {5, 1},   {6, 1},  {8, 1},
                                                           {9, 2},   {10, 2},   {12, 3},  {20, 6}, {25, 8},
                                                           {50, 18}, {100, 40}, {200, 86}};
  for (const auto& [n, rank] : expected) {
    const Summary summary = summarize(one_to(n));
    EXPECT_DOUBLE_EQ(summary.ci_low, double(rank)) << "n = " << n;
    EXPECT_DOUBLE_EQ(summary.ci_high, double(n + 1 - rank)) << "n = " << n;
  }
}

TEST(MedianInterval, MovesByAtMostOneRankWhereTheExactRuleEnds) {
  const double exact = summarize(one_to(1000)).ci_low, approximate = summarize(one_to(1001)).ci_low;
  EXPECT_GE(approximate, exact);
  EXPECT_LE(approximate, exact + 1);
}

TEST(MedianInterval, CoversTheTrueMedianOfASkewedDistributionAsOftenAsItSays) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> times(0, 0.5);  // median 1
  // 1 − 2·P(Bin(n, 1/2) < rank): ranks are whole, so few samples get more than 95 %.
  const std::vector<std::pair<size_t, double>> exact = {{6, 0.9688}, {11, 0.9883}, {30, 0.9572}, {200, 0.9600}};
  for (const auto& [n, expected] : exact) {
    int covered = 0;
    constexpr int kTrials = 4000;
    for (int trial = 0; trial < kTrials; ++trial) {
      Samples samples(n);
      for (double& sample : samples) sample = times(random);
      const Summary summary = summarize(samples);
      covered += summary.ci_low <= 1 && 1 <= summary.ci_high;
    }
    EXPECT_NEAR(double(covered) / kTrials, expected, 0.01) << "n = " << n;  // three standard errors
  }
}

TEST(MedianInterval, OfTwoModesReachesFromOneToTheOther) {
  Samples samples;
  for (int i = 0; i < 20; ++i) samples.insert(samples.end(), {100, 150});
  const Summary summary = summarize(samples);
  EXPECT_DOUBLE_EQ(summary.ci_low, 100);
  EXPECT_DOUBLE_EQ(summary.ci_high, 150);
  EXPECT_FALSE(converged(summary, 0.05));
}

TEST(Converged, AsksForBothANarrowIntervalAndEnoughSamples) {
  EXPECT_TRUE(converged(summarize(Samples(10, 5.0)), 0));
  EXPECT_FALSE(converged(summarize(Samples(9, 5.0)), 0));
  EXPECT_TRUE(converged(summarize(Samples(9, 5.0)), 0, 9));
  EXPECT_FALSE(converged(summarize(one_to(50)), 0.5));
  EXPECT_TRUE(converged(summarize(one_to(50)), 0.6));  // [18, 33] around 25.5
}

// Five against five without overlap and with the tie-free variance 25·11/12: z = (12.5 − 0.5)/4.787 = 2.507.
TEST(MannWhitney, HasTheKnownValueOfSeparatedSets) {
  const Comparison comparison = compare_times(Samples{1, 2, 3, 4, 5}, Samples{6, 7, 8, 9, 10});
  EXPECT_NEAR(comparison.p_value, 0.01219, 1e-5);
}

// U = 8.5, counted pair by pair (wins + ties/2); groups of 3, 2, 4 and 2 equal samples take 96/156 off the 14 in the
// variance.
TEST(MannWhitney, CorrectsForTies) {
  const Comparison comparison = compare_times(Samples{1, 2, 2, 3, 4, 4}, Samples{2, 3, 4, 4, 5, 6, 6});
  EXPECT_NEAR(comparison.p_value, 0.0795588, 1e-5);
}

TEST(MannWhitney, OfEqualSamplesIsOne) {
  EXPECT_DOUBLE_EQ(compare_times(Samples(20, 3.0), Samples(20, 3.0)).p_value, 1);
}

TEST(Compare, OneKernelUnderTwoNamesIsNeverFasterOrSlower) {
  std::mt19937_64 random(2);
  int same = 0, moved = 0;
  constexpr int kTrials = 1000;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Samples a = normal_times(random, 100, 50, 0.02), b = normal_times(random, 100, 50, 0.02);
    const Verdict verdict = compare_times(a, b).verdict;
    same += verdict == Verdict::same;
    moved += verdict == Verdict::faster || verdict == Verdict::slower;
  }
  EXPECT_EQ(moved, 0);
  EXPECT_GE(same, kTrials * 99 / 100);
}

TEST(Compare, WithoutAThresholdAnAAPairMovesAtMostAtTheErrorRate) {
  std::mt19937_64 random(3);
  int moved = 0;
  constexpr int kTrials = 4000;
  for (int trial = 0; trial < kTrials; ++trial) {
    const Samples a = normal_times(random, 40, 50, 0.3), b = normal_times(random, 40, 50, 0.3);
    const Verdict verdict = compare_times(a, b, 0).verdict;
    moved += verdict == Verdict::faster || verdict == Verdict::slower;
  }
  EXPECT_LE(moved, kTrials * 15 / 1000);  // p < 0.01, plus three standard errors
}

TEST(Compare, FindsTenPercentInTwoPercentNoiseBothWays) {
  std::mt19937_64 random(4);
  for (int trial = 0; trial < 200; ++trial) {
    const Samples slow = normal_times(random, 30, 110, 0.02), fast = normal_times(random, 30, 100, 0.02);
    EXPECT_EQ(compare_times(slow, fast).verdict, Verdict::faster);
    EXPECT_EQ(compare_times(fast, slow).verdict, Verdict::slower);
  }
}

TEST(Compare, TheIntervalCoversTheTrueRatioAsOftenAsItSays) {
  std::mt19937_64 random(5);
  for (const size_t n : {8, 25, 200}) {
    int covered = 0;
    constexpr int kTrials = 3000;
    for (int trial = 0; trial < kTrials; ++trial) {
      const Comparison comparison =
          compare_times(normal_times(random, n, 100, 0.05), normal_times(random, 2 * n, 120, 0.1));
      covered += comparison.ratio_low <= 1.2 && 1.2 <= comparison.ratio_high;
    }
    EXPECT_GE(double(covered) / kTrials, 0.94) << "n = " << n;
    EXPECT_LE(double(covered) / kTrials, n < 25 ? 1 : 0.985) << "n = " << n;  // few samples: whole ranks, so wider
  }
}

TEST(Compare, TwoModesWithoutAMajorityAreUnsure) {
  Samples before, after;
  for (int i = 0; i < 30; ++i) {
    before.push_back(i % 2 ? 100 + 0.01 * i : 130 + 0.01 * i);
    after.push_back(i % 2 ? 100 + 0.01 * i : 130 + 0.01 * i);
  }
  EXPECT_EQ(compare_times(before, after).verdict, Verdict::unsure);
}

TEST(Compare, SeesTheLargerModeMoveInSpiteOfTheOther) {
  Samples before, after;
  for (int i = 0; i < 50; ++i) {
    before.push_back(i % 10 == 0 ? 200 : 100 + 0.02 * i);
    after.push_back(i % 10 == 0 ? 200 : 80 + 0.02 * i);
  }
  EXPECT_EQ(compare_times(before, after).verdict, Verdict::faster);
}

TEST(Compare, ASmallShiftThatIsCertainIsStillTheSame) {
  std::mt19937_64 random(6);
  const Comparison comparison =
      compare_times(normal_times(random, 200, 100, 0.005), normal_times(random, 200, 101, 0.005));
  EXPECT_LT(comparison.p_value, 0.01);
  EXPECT_EQ(comparison.verdict, Verdict::same);
}

TEST(Compare, AnIntervalAcrossTheThresholdIsUnsure) {
  std::mt19937_64 random(7);
  EXPECT_EQ(compare_times(normal_times(random, 20, 100, 0.1), normal_times(random, 20, 103, 0.1)).verdict,
            Verdict::unsure);
}

TEST(Compare, FewerThanFiveSamplesAreUnsureHoweverFarApart) {
  EXPECT_EQ(compare_times(Samples(4, 100.0), Samples(50, 10.0)).verdict, Verdict::unsure);
  EXPECT_EQ(compare_times(Samples(50, 100.0), Samples(4, 100.0)).verdict, Verdict::unsure);
  EXPECT_EQ(compare_times({}, {}).verdict, Verdict::unsure);
  EXPECT_EQ(compare_times(Samples(6, 100.0), Samples(6, 10.0)).verdict, Verdict::faster);
}

TEST(Compare, TimesOfZeroAreUnsureAndNeverDividedBy) {
  const Comparison comparison = compare_times(Samples(20, 0.0), Samples(20, 1.0));
  EXPECT_EQ(comparison.verdict, Verdict::unsure);
  EXPECT_TRUE(std::isfinite(comparison.ratio));
}

TEST(Compare, IsTheSameAtEveryCallAndFast) {
  std::mt19937_64 random(8);
  const Samples a = normal_times(random, 200, 100, 0.02), b = normal_times(random, 200, 101, 0.02);
  const Comparison first = compare_times(a, b);
  const int64_t best_ns = least_processor_ns(20, [&] {
    const Comparison again = compare_times(a, b);
    EXPECT_EQ(again.ratio_low, first.ratio_low);
    EXPECT_EQ(again.ratio_high, first.ratio_high);
    EXPECT_EQ(again.p_value, first.p_value);
  });
  EXPECT_LT(best_ns, 5'000'000);
}

TEST(Verdict, NamesAreThoseOfTheReport) {
  EXPECT_EQ(verdict_name(Verdict::same), "SAME");
  EXPECT_EQ(verdict_name(Verdict::faster), "FASTER");
  EXPECT_EQ(verdict_name(Verdict::slower), "SLOWER");
  EXPECT_EQ(verdict_name(Verdict::unsure), "UNSURE");
}

TEST(Tied, NeedsOverlappingIntervalsAndNearMedians) {
  Summary a, b;
  a.count = b.count = 20;
  a.median = 100, a.ci_low = 99, a.ci_high = 103;
  b.median = 104, b.ci_low = 102, b.ci_high = 106;
  EXPECT_TRUE(tied(a, b));
  EXPECT_TRUE(tied(b, a));
  b.ci_low = 103.5;
  EXPECT_FALSE(tied(a, b));  // apart, though near
  b.ci_low = 90, b.median = 105.5;
  EXPECT_FALSE(tied(a, b));  // overlapping, but too far
  EXPECT_TRUE(tied(a, b, 0.06));
  EXPECT_FALSE(tied(a, Summary{}));
}

}  // namespace
}  // namespace assay
