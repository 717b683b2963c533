// Laws of the middle half of steps: parts add up to the whole, what strikes every step counts, what strikes few does
// not.
#include "stats/middle_half.h"

#include <gtest/gtest.h>

#include "stats/summary.h"

namespace assay {
namespace {

using Values = std::vector<double>;

TEST(middle_half, leaves_out_a_quarter_at_either_end) {
  EXPECT_EQ(middle_half(Values{}), (std::vector<size_t>{}));
  EXPECT_EQ(middle_half(Values{5, 1}), (std::vector<size_t>{0, 1}));
  EXPECT_EQ(middle_half(Values{5, 1, 3}), (std::vector<size_t>{2}));
  EXPECT_EQ(middle_half(Values{8, 1, 7, 2, 6, 3, 5, 4}), (std::vector<size_t>{4, 5, 6, 7})) << "6, 3, 5 and 4";
  EXPECT_EQ(middle_half(Values{1, 1, 1, 1}).size(), 2u) << "equal ones, too";
}

TEST(middle_half, parts_add_up_to_the_whole_where_medians_of_parts_do_not) {
  // 24 parts of 10; in each step one of them takes 10 more, another one each time.
  std::vector<Values> parts(24, Values(48, 10));
  Values totals;
  for (size_t step = 0; step < 48; ++step) {
    parts[step * 5 % 24][step] += 10 + double(step % 3);
    totals.push_back(0);
    for (const Values& part : parts) totals.back() += part[step];
  }
  double of_medians = 0, of_means = 0;
  for (const Values& part : parts) {
    of_medians += percentile(part, 50);
    of_means += mean_over(part, middle_half(totals));
  }
  EXPECT_EQ(of_medians, 240) << "no part is slow in half of the steps";
  EXPECT_NEAR(of_means, step_time(totals).mean, 1e-9);
  EXPECT_NEAR(of_means, percentile(totals, 50), 1);
}

TEST(step_time, does_not_hear_of_steps_that_were_disturbed) {
  Values totals;
  for (int i = 0; i < 40; ++i) totals.push_back(10 + 0.01 * (i * 7 % 40));
  const StepTime quiet = step_time(totals);
  EXPECT_NEAR(quiet.mean, 10.195, 0.005);
  for (size_t i = 0; i < 9; ++i) totals[i * 4] = 1000;
  EXPECT_NEAR(step_time(totals).mean, quiet.mean, 0.1);
}

TEST(step_time, has_an_interval_that_narrows_with_steps_and_is_the_same_each_time) {
  const auto steps = [](int count) {
    Values totals;
    for (int i = 0; i < count; ++i) totals.push_back(10 + (i * 37 % 101) * 0.02);
    return totals;
  };
  const StepTime few = step_time(steps(16)), many = step_time(steps(400)), again = step_time(steps(400));
  EXPECT_LT(few.low, few.mean);
  EXPECT_GT(few.high, few.mean);
  EXPECT_LT(many.high - many.low, (few.high - few.low) / 3);
  EXPECT_EQ(many.low, again.low);
  EXPECT_EQ(many.high, again.high);
  EXPECT_EQ(step_time(Values{3}).high, 3);
  EXPECT_EQ(step_time(Values{}).mean, 0);
}

}  // namespace
}  // namespace assay
