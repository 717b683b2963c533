// Laws of the thread team: every thread works, the barrier orders, idle threads sleep, float state is put back.
#include "backend/cpu/team.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>

#include "backend/cpu/cpu_info.h"
#include "backend/cpu/disturbance.h"
#include "base/clock.h"

namespace assay {
namespace {

/// Teams of one thread, of one a CPU, and of more threads than CPUs.
std::vector<std::vector<int>> teams() {
  const std::vector<int> cpus = allowed_cpus();
  std::vector<int> crowded = cpus;
  crowded.insert(crowded.end(), cpus.begin(), cpus.end());
  return {{cpus[0]}, cpus, crowded};
}

std::vector<int> at_least_two() {
  std::vector<int> cpus = allowed_cpus();
  if (cpus.size() == 1) cpus.push_back(cpus[0]);
  return cpus;
}

using Body = std::function<void(const assay_thread*)>;

void run(Team& team, const Body& body) {
  team.run([](const assay_thread* thread, void* argument) { (*static_cast<const Body*>(argument))(thread); },
           const_cast<Body*>(&body));
}

/// The caller is pinned by a team and must not stay so for the next test.
class TeamTest : public ::testing::Test {
 protected:
  void SetUp() override { sched_getaffinity(0, sizeof allowed_, &allowed_); }
  void TearDown() override { sched_setaffinity(0, sizeof allowed_, &allowed_); }
  cpu_set_t allowed_;
};

TEST_F(TeamTest, OnlyAsManyAsAreAskedForRunAndTheBarrierWaitsForThemAlone) {
  std::vector<int> cpus = allowed_cpus();
  while (cpus.size() < 5) cpus.push_back(cpus[0]);
  Team team(cpus);
  for (int round = 0; round < 300; ++round) {
    const uint32_t wanted = 1 + uint32_t(round * 7 % cpus.size());
    std::atomic<uint32_t> entered{0}, wrong{0};
    const Body body = [&](const assay_thread* thread) {
      wrong += thread->count != wanted || thread->index >= wanted;
      ++entered;
      thread->barrier(thread);
      wrong += entered != wanted;
    };
    team.run([](const assay_thread* thread, void* argument) { (*static_cast<const Body*>(argument))(thread); },
             const_cast<Body*>(&body), wanted);
    EXPECT_EQ(entered, wanted);
    EXPECT_EQ(wrong, 0u) << "round " << round;
  }
}

TEST_F(TeamTest, UnevenlyThoseThatAreLateEnterAndLeaveBarriersLateAndTheNextRunIsEven) {
  Team team(at_least_two());
  struct Seen {
    std::vector<int64_t> entered, left;
  } seen{std::vector<int64_t>(team.size()), std::vector<int64_t>(team.size())};
  const auto work = [](const assay_thread* thread, void* argument) {
    auto& of = *static_cast<Seen*>(argument);
    of.entered[thread->index] = now_ns();
    thread->barrier(thread);
    of.left[thread->index] = now_ns();
  };
  for (const uint64_t late : {uint64_t(1), ~uint64_t(1)}) {
    team.wake();
    const int64_t began = now_ns();
    team.run_unevenly(work, &seen, team.size(), late);
    for (uint32_t i = 0; i < team.size(); ++i) {
      if (!(late >> i & 1)) continue;
      EXPECT_GE(seen.entered[i] - began, 100'000) << i;
      EXPECT_GE(seen.left[i] - seen.entered[i], 100'000) << i;
    }
  }
  std::atomic<int> ran{0};
  team.run_unevenly([](const assay_thread*, void* count) { ++*static_cast<std::atomic<int>*>(count); }, &ran, 1, 0);
  EXPECT_EQ(ran, 1);
  std::vector<decltype(assay_thread::barrier)> barriers(team.size());
  team.run([](const assay_thread* thread,
              void* of) { static_cast<decltype(assay_thread::barrier)*>(of)[thread->index] = thread->barrier; },
           barriers.data());
  const auto usual = barriers[0];
  team.run_unevenly(work, &seen, team.size(), 1);
  team.run([](const assay_thread* thread,
              void* of) { static_cast<decltype(assay_thread::barrier)*>(of)[thread->index] = thread->barrier; },
           barriers.data());
  for (const auto barrier : barriers) EXPECT_EQ(barrier, usual);
}

TEST_F(TeamTest, EveryThreadRunsOnceWithItsIndexAndItsOwnIdentity) {
  for (const std::vector<int>& cpus : teams()) {
    Team team(cpus);
    ASSERT_EQ(team.size(), cpus.size());
    std::vector<std::atomic<int>> runs(cpus.size());
    std::vector<pid_t> ids(cpus.size());
    for (int round = 1; round <= 50; ++round) {
      run(team, [&](const assay_thread* thread) {
        ++runs[thread->index];
        ids[thread->index] = gettid();
        EXPECT_EQ(thread->struct_size, sizeof(assay_thread));
        EXPECT_EQ(thread->count, cpus.size());
        EXPECT_EQ(thread->available, cpus.size());
        EXPECT_NE(thread->barrier, nullptr);
      });
      for (const auto& count : runs) ASSERT_EQ(count, round) << "run returned before all had, or left one out";
    }
    EXPECT_EQ(std::set<pid_t>(ids.begin(), ids.end()).size(), cpus.size());
    EXPECT_EQ(ids[0], gettid()) << "thread 0 is the caller";
  }
}

TEST_F(TeamTest, ThreadsAreSpreadOverTheCpusTheyWereGiven) {
  const std::vector<int> cpus = allowed_cpus();
  Team team(cpus);
  std::vector<cpu_set_t> sets(cpus.size());
  run(team, [&](const assay_thread* thread) { sched_getaffinity(0, sizeof(cpu_set_t), &sets[thread->index]); });
  if (CPU_COUNT(&sets[0]) != 1 && cpus.size() > 1) GTEST_SKIP() << "this sandbox refuses to pin threads";
  for (size_t i = 0; i < cpus.size(); ++i) EXPECT_TRUE(CPU_COUNT(&sets[i]) == 1 && CPU_ISSET(cpus[i], &sets[i])) << i;
}

TEST_F(TeamTest, NothingAfterTheBarrierStartsBeforeEverythingBeforeItIsDone) {
  for (const std::vector<int>& cpus : teams()) {
    Team team(cpus);
    // Threads without a CPU of their own meet only when the scheduler lets them.
    const int phases = cpus.size() > allowed_cpus().size() ? 20 : 2000;
    std::vector<int> written(cpus.size(), -1);  // plain: the barrier must order them
    std::atomic<int> early{0};
    run(team, [&](const assay_thread* thread) {
      for (int phase = 0; phase < phases; ++phase) {
        written[thread->index] = phase;
        thread->barrier(thread);
        for (const int seen : written)
          if (seen != phase) ++early;
        thread->barrier(thread);
      }
    });
    EXPECT_EQ(early, 0);
  }
}

char state_of(int thread_id) {
  std::ifstream in("/proc/self/task/" + std::to_string(thread_id) + "/stat");
  std::stringstream text;
  text << in.rdbuf();
  const size_t name_end = text.str().rfind(')');
  return name_end == std::string::npos ? '?' : text.str()[name_end + 2];
}

bool all_others_sleep() {
  for (const int id : thread_ids())
    if (id != getpid() && state_of(id) != 'S') return false;
  return true;
}

TEST_F(TeamTest, IdleThreadsFallAsleepAndWakeForTheNextWork) {
  Team team(at_least_two());
  for (int round = 0; round < 5; ++round) {
    std::atomic<uint32_t> runs{0};
    run(team, [&](const assay_thread*) { ++runs; });
    EXPECT_EQ(runs, team.size());
    const int64_t give_up = now_ns() + INT64_C(30'000'000'000);
    while (!all_others_sleep() && now_ns() < give_up) usleep(2000);
    ASSERT_TRUE(all_others_sleep()) << "a thread still spins long after its work";
    if (round % 2 == 0) team.wake();
  }
}

double used_ms() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-3;
}

TEST_F(TeamTest, ASleepingTeamTakesNoProcessorTime) {
  Team team(at_least_two());
  team.wake();
  const int64_t give_up = now_ns() + INT64_C(30'000'000'000);
  while (!all_others_sleep() && now_ns() < give_up) usleep(2000);
  const double before = used_ms();
  usleep(200'000);
  EXPECT_LT(used_ms() - before, 100) << "of 200 ms";
}

TEST_F(TeamTest, OneThatWaitsAsleepLeavesItsProcessorsWhereverItWaitsAndRunsAsAnyOther) {
  Team team(at_least_two(), /*pins_caller=*/true, Waits::asleep);
  std::atomic<uint32_t> entered{0}, wrong{0};
  const double before = used_ms();
  for (const uint32_t late : {0u, 1u}) {
    entered = 0;
    run(team, [&](const assay_thread* thread) {
      if (thread->index == late) usleep(200'000);
      ++entered;
      thread->barrier(thread);
      wrong += entered != thread->count;
      if (thread->index == late) usleep(200'000);
    });
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_LT(used_ms() - before, 200) << "of 800 ms of each thread that waits";
}

TEST_F(TeamTest, AChangedFloatStateOfAnyThreadIsReportedOnceByItsIndexAndPutBack) {
  const uint64_t mine = float_control();
  Team team(at_least_two());
  for (uint32_t guilty = 1; guilty < team.size(); ++guilty) {
    run(team, [&](const assay_thread* thread) {
      if (thread->index == guilty) std::fesetround(FE_TOWARDZERO);
    });
    const std::string message = team.changed_float_state();
    EXPECT_NE(message.find("thread " + std::to_string(guilty)), std::string::npos) << message;
    EXPECT_EQ(team.changed_float_state(), "") << "one change is told once";
    std::atomic<int> still_changed{0};
    run(team, [&](const assay_thread*) { still_changed += float_control() != mine; });
    EXPECT_EQ(still_changed, 0);
    EXPECT_EQ(team.changed_float_state(), "");
  }
}

TEST_F(TeamTest, ArithmeticThatOnlySetsStickyFlagsChangesNoState) {
  Team team(at_least_two());
  run(team, [](const assay_thread*) {
    volatile double zero = 0, third = 1;
    third = third / 3;
    zero = third / zero;
  });
  EXPECT_EQ(team.changed_float_state(), "");
}

TEST_F(TeamTest, FloatControlTellsRoundingApartAndPutsItBack) {
  const auto third = [] {
    volatile double one = 1, three = 3;
    return one / three;
  };
  const uint64_t before = float_control();
  const double nearest = third();
  std::fesetround(FE_UPWARD);
  EXPECT_NE(float_control(), before);
  EXPECT_NE(third(), nearest);
  set_float_control(before);
  EXPECT_EQ(float_control(), before);
  EXPECT_EQ(third(), nearest);
  std::fesetround(FE_TONEAREST);
}

TEST_F(TeamTest, ManyTeamsComeAndGoWithoutLeavingThreads) {
  // A joined thread's entry may stand in /proc for a moment.
  const auto settles_at = [](size_t threads) {
    const int64_t give_up = now_ns() + INT64_C(10'000'000'000);
    while (thread_ids().size() != threads && now_ns() < give_up) usleep(1000);
    return thread_ids().size() == threads;
  };
  // Counted beside a first team: a sanitizer may start a thread of its own with the first of a process.
  auto first = std::make_unique<Team>(at_least_two());
  const size_t beside_one = thread_ids().size(), alone = beside_one - (first->size() - 1);
  first.reset();
  for (int i = 0; i < 20; ++i) {
    Team team(at_least_two());
    if (i % 2 == 0) team.wake();
    EXPECT_TRUE(settles_at(beside_one));
  }
  EXPECT_TRUE(settles_at(alone));
}

}  // namespace
}  // namespace assay
