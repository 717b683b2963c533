// The line that a few wild values do not bend: where least squares would, and how often its interval holds the truth.
#include "stats/robust_line.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace assay {
namespace {

TEST(robust_line, goes_through_points_that_lie_on_one) {
  RobustLine line;
  for (int x = 3; x < 43; ++x) line.add(x, 2 * x + 7);
  const RobustLine::Fit fit = line.fit();
  for (const double slope : {fit.slope, fit.low, fit.high}) EXPECT_NEAR(slope, 2, 1e-12);
  EXPECT_NEAR(fit.at(0), 7, 1e-9);
  EXPECT_EQ(line.first_x(), 3);
  EXPECT_EQ(line.last_x(), 42);
}

TEST(robust_line, says_nothing_of_fewer_than_eight_points_or_of_one_x) {
  RobustLine few, one_x;
  for (int i = 0; i < 7; ++i) few.add(i, i);
  for (int i = 0; i < 20; ++i) one_x.add(3, i);
  EXPECT_FALSE(few.is_known());
  EXPECT_FALSE(one_x.is_known());
  EXPECT_EQ(few.fit().slope, 0);
  few.add(7, 7);
  EXPECT_TRUE(few.is_known());
}

TEST(robust_line, is_not_bent_by_a_quarter_of_wild_values) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 1);
  RobustLine line;
  for (int x = 0; x < 100; ++x) line.add(x, x % 4 == 0 ? 1e6 : 90'000 + 0.5 * x + noise(random));
  EXPECT_NEAR(line.fit().slope, 0.5, 0.1);
  EXPECT_NEAR(line.fit().at(50), 90'025, 5);
}

TEST(robust_line, interval_holds_the_true_slope_as_often_as_it_says) {
  std::mt19937 random(2);
  std::student_t_distribution<double> noise(2);  // with wild values of its own
  for (const int points : {8, 20, 100}) {
    int held = 0;
    constexpr int kRounds = 400;
    for (int round = 0; round < kRounds; ++round) {
      RobustLine line;
      for (int x = 0; x < points; ++x) line.add(x, 3 * x + 10 * noise(random));
      held += line.fit().low <= 3 && 3 <= line.fit().high;
    }
    EXPECT_GE(held, kRounds * 93 / 100) << points;
    EXPECT_LE(held, kRounds * 99 / 100) << points;
  }
}

TEST(robust_line, draws_fairly_from_more_points_than_it_keeps) {
  RobustLine line;
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 100);
  // A wave that repeats itself with any power of two would be seen by every second point alone.
  for (int x = 0; x < 50'000; ++x) line.add(x, 0.05 * x + (x % 2) * 300 + noise(random));
  EXPECT_EQ(line.count(), 50'000u);
  EXPECT_EQ(line.last_x(), 49'999);
  EXPECT_NEAR(line.fit().slope, 0.05, 0.003);
  EXPECT_NEAR(line.fit().at(25'000), 1250 + 150, 80);
}

}  // namespace
}  // namespace assay
