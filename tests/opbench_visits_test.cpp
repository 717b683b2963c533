// Laws of how cells of a row alternate: what a cell reaches of the mover is the same in each run, whatever memory does.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "opbench/row_visits.h"

namespace assay {
namespace {

/// Memory of two rates, for a while each, on which a mover and a cell take turns as a row's cells do. Times are
/// synthetic: nothing is measured.
class TwoRates {
 public:
  explicit TwoRates(uint32_t seed) : draw_(seed) {}

  /// What 34 MB take now, so many times as long, and the clock goes on.
  double take(double longer) {
    for (; now_us_ > changes_us_; is_slow_ = !is_slow_)
      changes_us_ += std::exponential_distribution(1 / kDwellsUs)(draw_);
    const double us = (is_slow_ ? 1000 : 400) * longer * std::lognormal_distribution(0.0, kNoise)(draw_);
    now_us_ += us;
    return us;
  }
  void pass(double us) { now_us_ += us; }
  bool heads() { return draw_() & 1; }

 private:
  static constexpr double kDwellsUs = 30e3, kNoise = 0.06;
  std::mt19937 draw_;
  double now_us_ = 0, changes_us_ = 0;
  bool is_slow_ = false;
};

/// What a row's judgement says of a cell that takes `longer` times as long as the mover.
double judged(uint32_t seed, double longer) {
  constexpr int kTurns = 5;
  constexpr double kCheckUs = 30e3, kAnswerUs = 300;
  TwoRates memory(seed);
  std::vector<Visit> moved, taken;
  const int samples = samples_of_turn(1000), visits = visits_of_turn(1000);
  for (int turn = 0; turn < kTurns; ++turn)
    for (int visit = 0; visit < visits; ++visit) {
      const int count = samples_of_visit(samples, visit, visits);
      const bool cell_first = memory.heads();
      for (const bool is_cell : {cell_first, !cell_first}) {
        std::vector<double> us;
        for (int i = 0; i < count; ++i) us.push_back(memory.take(is_cell ? longer : 1));
        (is_cell ? taken : moved).push_back(visit_of(turn * 100 + visit, us, {}));
        memory.pass(is_cell && visit + 1 == visits ? kCheckUs : kAnswerUs);
      }
    }
  return moved_over_taken(moved, taken);
}

TEST(a_cells_part_of_the_ceiling, is_the_same_in_each_run_where_memory_has_two_rates) {
  constexpr int kRuns = 400;
  for (const double longer : {1.0, 1.15, 1.6}) {
    int far = 0;
    double sum = 0;
    for (int run = 0; run < kRuns; ++run) {
      const double of_truth = judged(uint32_t(run), longer) * longer;
      far += std::abs(of_truth - 1) > 0.05;
      sum += of_truth;
    }
    EXPECT_LE(far, kRuns / 20) << "of " << kRuns << " runs are off by more than 5 %, of a cell of " << longer;
    EXPECT_NEAR(sum / kRuns, 1, 0.01) << longer;
  }
}

TEST(a_turn, is_all_played_in_visits_and_ends_with_one) {
  for (const double us : {0.1, 50.0, 400.0, 1200.0, 3300.0, 7000.0, 18e3, 60e3, 5e6}) {
    const int samples = samples_of_turn(us), visits = visits_of_turn(us);
    for (const int all : {visits, visits + 1, 3 * visits + 2}) {  // others may have more
      int played = 0;
      for (int visit = 0; visit < all; ++visit) played += samples_of_visit(samples, visit, all);
      EXPECT_EQ(played, samples);
      EXPECT_GE(samples_of_visit(samples, all - 1, all), 1);
    }
    EXPECT_LE(double(samples) * us, std::max(us, kTurnUs));
    EXPECT_LE(double(samples_of_visit(samples, 0, visits)) * us, std::max(us, kVisitUs));
  }
}

TEST(pairs, are_of_the_same_visit) {
  EXPECT_DOUBLE_EQ(moved_over_taken({{0, 1}, {1, 20}, {3, 300}}, {{1, 10}, {2, 1}, {3, 100}, {7, 1}}), 2.5);
  EXPECT_EQ(moved_over_taken({{0, 1}}, {{1, 1}}), 0);
  EXPECT_EQ(moved_over_taken({}, {}), 0);
  EXPECT_DOUBLE_EQ(visit_of(0, {1, 9, 2}, {0, 1, 0}).us, 1.5);
  EXPECT_DOUBLE_EQ(visit_of(0, {1, 9, 2}, {1, 1, 1}).us, 2);
}

}  // namespace
}  // namespace assay
