// Laws of giving way: a quiet machine keeps all threads, a crowded one what is fastest there, and all come back after.
#include "backend/cpu/crowding.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "backend/cpu/cpu_info.h"
#include "backend/cpu/team.h"
#include "base/clock.h"

namespace assay {
namespace {

/// What a run of so many threads takes, and whether it loses a processor.
struct Machine {
  std::function<int64_t(uint32_t threads)> ns;
  std::function<bool(uint32_t threads)> crowded;
};

/// Two processors, one wanted by a busy process as well: two threads are together a third of the time.
const Machine kQuiet{[](uint32_t threads) { return int64_t(22'000'000 / threads); }, [](uint32_t) { return false; }};
const Machine kBusy{[](uint32_t threads) { return int64_t(threads == 1 ? 22'000'000 : 33'000'000); },
                    [](uint32_t threads) { return threads == 2; }};

struct Played {
  int64_t ns = 0, runs_of_all = 0;
};
Played play(Crowding& crowding, const Machine& machine, uint32_t most, int runs) {
  Played played;
  for (int i = 0; i < runs; ++i) {
    const uint32_t threads = crowding.threads();
    EXPECT_GE(threads, 1u);
    EXPECT_LE(threads, most);
    played.runs_of_all += threads == most;
    played.ns += machine.ns(threads);
    crowding.ran(machine.ns(threads), machine.crowded(threads) ? 3 : 0);
  }
  return played;
}

TEST(Crowding, AQuietMachineKeepsAllThreads) {
  for (const uint32_t most : {1u, 2u, 16u}) {
    Crowding crowding(most);
    EXPECT_EQ(play(crowding, kQuiet, most, 2000).runs_of_all, 2000);
  }
}

TEST(Crowding, BesideABusyProcessFewerThreadsRunAndNearlyAllOfTheGainIsHad) {
  Crowding crowding(2);
  const Played played = play(crowding, kBusy, 2, 1000);
  EXPECT_EQ(crowding.threads(), 1u);
  EXPECT_LT(double(played.ns), 1.03 * 1000 * 22e6) << played.runs_of_all << " runs of all threads";
}

TEST(Crowding, AllThreadsComeBackSoonAfter) {
  Crowding crowding(2);
  play(crowding, kBusy, 2, 2000);
  play(crowding, kQuiet, 2, 250);  // 5.5 s of one thread
  EXPECT_EQ(play(crowding, kQuiet, 2, 1000).runs_of_all, 1000);
}

TEST(Crowding, WhereFewerAreNoFasterAllGoOnAndTrialsBecomeRare) {
  const Machine shared{[](uint32_t threads) { return int64_t(44'000'000 / threads); }, [](uint32_t) { return true; }};
  Crowding crowding(2);
  const Played played = play(crowding, shared, 2, 3000);
  EXPECT_GT(played.runs_of_all, 2900);
  EXPECT_LT(played.runs_of_all, 3000);
}

TEST(Crowding, ALonePreemptionIsNoCrowd) {
  Crowding crowding(2);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(crowding.threads(), 2u);
    crowding.ran(10'000'000, i % 4 == 0 ? 1 : 0);
  }
}

TEST(Crowding, OfManyThreadsAsManyGiveWayAsPays) {
  // Eight processors, two busy processes: more than six threads wait for each other.
  const Machine machine{[](uint32_t threads) { return int64_t(threads > 6 ? 20'000'000 : 60'000'000 / threads); },
                        [](uint32_t threads) { return threads > 6; }};
  Crowding crowding(8);
  play(crowding, machine, 8, 60);
  play(crowding, machine, 8, 400);
  uint64_t of_six = 0;
  for (int i = 0; i < 400; ++i) {
    of_six += crowding.threads() == 6;
    play(crowding, machine, 8, 1);
  }
  EXPECT_GT(of_six, 360u);
}

TEST(Crowding, CountsThatAnotherProcessTookTheProcessor) {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  pin_this_thread(allowed_cpus().front());
  const pid_t other = fork();  // pinned as well
  if (other == 0)
    for (;;) now_ns();
  ASSERT_GT(other, 0);
  const int64_t before = preemptions_of_process(), end = now_ns() + 20'000'000'000;
  while (preemptions_of_process() == before && now_ns() < end) {
  }
  EXPECT_GT(preemptions_of_process(), before);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  sched_setaffinity(0, sizeof allowed, &allowed);
}

}  // namespace
}  // namespace assay
