// Laws of where time goes: a stage has what the stages inside it leave, and all of it adds up.
#include "base/stages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <numeric>
#include <set>
#include <string_view>

#include "base/clock.h"

namespace assay {
namespace {

constexpr unsigned kUs = 20'000;
constexpr double kS = kUs * 1e-6;

double sum(const StageSeconds& seconds) { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

TEST(stages, a_stage_has_what_the_stages_inside_it_leave_and_all_adds_up_to_the_wall) {
  end_stage_now();
  const StageSeconds before = stage_seconds();
  const int64_t began = now_ns();
  {
    const InStage outer(Stage::launch);
    usleep(kUs);
    {
      const InStage inner(Stage::verify);
      usleep(2 * kUs);
    }
    usleep(kUs);
  }
  end_stage_now();
  const double wall = double(now_ns() - began) * 1e-9;
  const StageSeconds after = stage_seconds();
  const auto of = [&](Stage stage) { return after[size_t(stage)] - before[size_t(stage)]; };
  EXPECT_GE(of(Stage::launch), 2 * kS);
  EXPECT_GE(of(Stage::verify), 2 * kS);
  EXPECT_NEAR(sum(after) - sum(before), wall, 1e-3);
}

TEST(stages, what_another_process_counted_is_taken_from_the_wait_for_it) {
  StageSeconds other{};
  other[size_t(Stage::prepare)] = kS / 2;
  end_stage_now();
  const StageSeconds before = stage_seconds();
  {
    const InStage waiting(Stage::handing_over);
    usleep(kUs);
    add_stages_of(other);
  }
  const StageSeconds after = stage_seconds();
  const auto of = [&](Stage stage) { return after[size_t(stage)] - before[size_t(stage)]; };
  EXPECT_DOUBLE_EQ(of(Stage::prepare), kS / 2);
  EXPECT_GE(of(Stage::handing_over), kS / 2 - 1e-6);
  EXPECT_GE(sum(after) - sum(before), kS - 1e-6);
}

TEST(stages, each_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int i = 0; i < int(Stage::count); ++i) names.insert(stage_name(Stage(i)));
  EXPECT_EQ(names.size(), size_t(Stage::count));
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace assay
