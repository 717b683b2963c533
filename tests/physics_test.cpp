// Laws of physics: a liar is accused, an honest kernel at the ceiling never, whatever the machine's noise and drift.
#include "measure/physics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace assay {
namespace {

constexpr int64_t kBulkBytes = 64 << 20, kBytes = 2 << 20;
constexpr double kGBps = 30;

double us_of(int64_t bytes) { return double(bytes) / kGBps * 1e-3; }

/// A machine whose read rate wanders: turns of a kernel and of the bulk reader, alternating, over one sweep of a spec.
struct Session {
  std::vector<double> device_us, bulk_us;
};

struct Machine {
  double drift = 0;  // rates lie between 1 − drift and 1 of the best …
  double noise = 0;  // … and every launch takes up to this much longer, most far less
  int turns = 6, launches = 12, bulk_launches = 3;
};

Session play(const Machine& machine, double claimed_share, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  const double phase = unit(random) * 6.28, speed = 0.2 + 3 * unit(random);
  Session session;
  double time = 0;
  const auto launch_us = [&](int64_t bytes) {
    time += 0.01;
    const double rate = 1 - machine.drift * (0.5 + 0.5 * std::sin(phase + speed * time));
    const double delay = machine.noise * std::pow(unit(random), 4);
    return us_of(bytes) / rate * (1 + delay);
  };
  for (int turn = 0; turn < machine.turns; ++turn) {
    for (int i = 0; i < machine.launches; ++i) session.device_us.push_back(launch_us(kBytes) * claimed_share);
    for (int i = 0; i < machine.bulk_launches; ++i) session.bulk_us.push_back(launch_us(kBulkBytes));
    time += 0.3;
  }
  return session;
}

std::string accusation(const std::vector<double>& device_us, const std::vector<double>& bulk_us, int64_t flops = 0,
                       double peak_gflops = 0) {
  const ReadSamples bulk{bulk_us, kBulkBytes};
  return beats_physics(device_us, kBytes, {&bulk, 1}, flops, peak_gflops);
}
std::string judge(const Session& session, int64_t flops = 0, double peak_gflops = 0) {
  return accusation(session.device_us, session.bulk_us, flops, peak_gflops);
}

const std::vector<Machine> kMachines = {
    {0, 0, 6, 12, 3},    {0, 0.3, 6, 12, 3},    {0.3, 0, 6, 12, 3},    {0.3, 0.3, 6, 12, 3},
    {0.3, 0.3, 2, 3, 3}, {0.3, 0.3, 17, 60, 6}, {0.15, 1.0, 6, 24, 3},
};

TEST(Physics, OneTurnWhoseWeightsLayInACacheAccusesNobodyWhereverItStands) {
  const std::vector<double> reads(60, 4.0);
  for (size_t launches = 12; launches <= 64; ++launches)
    for (size_t begin = 0; begin + 4 <= launches; ++begin) {
      std::vector<double> claims(launches, 5.0);
      std::fill_n(claims.begin() + long(begin), std::min(launches / 3, launches - begin), 2.4);
      const ReadSamples read{reads, 1000};
      ASSERT_EQ(beats_physics(claims, 1000, {&read, 1}, 0, 0), "") << launches << " launches, warm from " << begin;
    }
}

TEST(Physics, AnHonestKernelAtTheCeilingIsNeverAccusedWhateverNoiseAndDrift) {
  for (const Machine& machine : kMachines)
    for (uint64_t seed = 0; seed < 2000; ++seed)
      ASSERT_EQ(judge(play(machine, 1, seed)), "")
          << "drift " << machine.drift << " noise " << machine.noise << " seed " << seed;
}

TEST(Physics, AKernelThatReportsATenthOfItsTimeIsAccusedWhateverNoiseAndDrift) {
  for (const Machine& machine : kMachines)
    for (uint64_t seed = 0; seed < 2000; ++seed)
      ASSERT_NE(judge(play(machine, 0.1, seed)), "")
          << "drift " << machine.drift << " noise " << machine.noise << " seed " << seed;
}

TEST(Physics, AKernelThatReportsATenthIsAccusedEvenIfItReallyReachesHalfTheCeilingOnly) {
  for (uint64_t seed = 0; seed < 2000; ++seed) ASSERT_NE(judge(play({0.3, 0.3}, 0.2, seed)), "") << seed;
}

TEST(Physics, OneMissIsNoAccusation) {
  const std::vector<double> honest(20, us_of(kBytes)), lie(20, us_of(kBytes) / 10), bulk(10, us_of(kBulkBytes));
  const auto both = [](std::vector<double> first, const std::vector<double>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  EXPECT_EQ(accusation(both(honest, lie), bulk), "");
  EXPECT_EQ(accusation(both(lie, honest), bulk), "");
  EXPECT_NE(accusation(both(lie, lie), bulk), "");
}

TEST(Physics, ABulkReaderThatWasSlowOnceAccusesNobody) {
  const std::vector<double> device(40, us_of(kBytes));
  std::vector<double> bulk(12, us_of(kBulkBytes));
  std::fill(bulk.begin(), bulk.begin() + 6, 3 * us_of(kBulkBytes));
  EXPECT_EQ(accusation(device, bulk), "");
  bulk.assign(12, 3 * us_of(kBulkBytes));
  bulk[1] = bulk[10] = us_of(kBulkBytes);  // the best rate of each half counts, not the usual one
  EXPECT_EQ(accusation(device, bulk), "");
}

TEST(Physics, ArithmeticIsAFloorAsMemoryIs) {
  const Session session = play({}, 1, 1);
  const double peak_gflops = 100;
  const int64_t at_the_peak = int64_t(us_of(kBytes) * peak_gflops * 1e3);
  EXPECT_EQ(judge(session, at_the_peak, peak_gflops), "");
  EXPECT_NE(judge(session, at_the_peak * 10, peak_gflops), "");
  EXPECT_EQ(judge(session, at_the_peak * 10, 0), "") << "without a measured peak there is no such floor";
}

TEST(Physics, TheMessageHasTheClaimTheBytesAndTheFloor) {
  const std::vector<double> lie(20, 5), bulk(10, us_of(kBulkBytes));
  const std::string message = accusation(lie, bulk);
  EXPECT_NE(message.find("reports 5 us"), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(kBytes)), std::string::npos) << message;
  EXPECT_NE(message.find("69.9 us"), std::string::npos) << message;
}

TEST(Physics, TheFasterOfTheReadsIsTheFloor) {
  const std::vector<double> device(20, us_of(kBytes)), slow(10, 4 * us_of(kBulkBytes)), single(10, us_of(kBytes));
  const ReadSamples bulk{slow, kBulkBytes}, same_bytes{single, kBytes};
  const ReadSamples both[] = {bulk, same_bytes}, reversed[] = {same_bytes, bulk};
  EXPECT_NE(beats_physics(device, kBytes, {&bulk, 1}, 0, 0), "");
  EXPECT_EQ(beats_physics(device, kBytes, both, 0, 0), "");
  EXPECT_EQ(beats_physics(device, kBytes, reversed, 0, 0), "");
  const std::vector<double> lie(20, us_of(kBytes) / 10);
  EXPECT_NE(beats_physics(lie, kBytes, both, 0, 0), "");
  EXPECT_NE(beats_physics(lie, kBytes, reversed, 0, 0), "");
}

TEST(Physics, TooFewSamplesAccuseNobody) {
  const std::vector<double> lie(20, 1), bulk(10, us_of(kBulkBytes));
  EXPECT_NE(accusation(lie, bulk), "");
  EXPECT_EQ(accusation({1, 1, 1}, bulk), "");
  EXPECT_EQ(accusation(lie, {bulk[0], bulk[1], bulk[2]}), "");
  EXPECT_EQ(accusation({}, {}), "");
  const ReadSamples nothing{bulk, 0};
  EXPECT_EQ(beats_physics(lie, kBytes, {&nothing, 1}, 0, 0), "");
  EXPECT_EQ(beats_physics(lie, kBytes, {}, 0, 0), "");
}

/// One visit to a spec as rounds play it: a kernel, a reader of the same bytes and long reads take turns in drawn
/// order.
struct Visit {
  std::vector<double> device_us, single_us, bulk_us;
};

struct SharedMachine {
  const char* name;
  double slower = 0;    // by what the rate falls at most …
  double period_s = 1;  // … within such a time, as a wave
  bool flips = false;   // … or at once, after a time that is drawn
  double noise = 0;     // of single launches: most far less
  double stalls = 0;    // share of launches that wait for up to 2 ms
};

Visit visit(const SharedMachine& machine, double claimed_share, int rounds, uint64_t seed) {
  constexpr int64_t kLongBytes = 32 << 20;
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  const auto until_flip = [&] { return -machine.period_s * std::log(unit(random) + 1e-9); };
  const double phase = 6.28 * unit(random);
  bool is_slow = unit(random) < 0.5;
  double now_s = 0, flip_s = until_flip();
  const auto launch_us = [&](int64_t bytes) {
    for (; machine.flips && now_s > flip_s; flip_s += until_flip()) is_slow = !is_slow;
    const double wave = 0.5 + 0.5 * std::sin(phase + 6.28 * now_s / machine.period_s);
    const double rate = 1 - machine.slower * (machine.flips ? double(is_slow) : wave);
    double us = us_of(bytes) / rate * (1 + machine.noise * std::pow(unit(random), 4));
    if (unit(random) < machine.stalls) us += 2000 * unit(random);
    now_s += us * 1.3e-6 + 2e-5;
    return us;
  };
  Visit result;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double>* turns[] = {&result.device_us, &result.single_us, &result.bulk_us};
    std::shuffle(std::begin(turns), std::end(turns), random);
    for (std::vector<double>* turn : turns) {
      now_s += 0.02 * unit(random);  // other cases' turns
      const bool is_bulk = turn == &result.bulk_us, is_kernel = turn == &result.device_us;
      for (int launches = (round == 0 ? 2 : 1) * (is_bulk ? 3 : 8); launches > 0; --launches)
        turn->push_back(launch_us(is_bulk ? kLongBytes : kBytes) * (is_kernel ? claimed_share : 1));
    }
  }
  return result;
}

double accused_share(const SharedMachine& machine, double claimed_share, int rounds) {
  const int visits = rounds < 10 ? 500 : 100;
  int accused = 0;
  for (int seed = 0; seed < visits; ++seed) {
    const Visit seen = visit(machine, claimed_share, rounds, uint64_t(seed));
    const ReadSamples reads[] = {{seen.single_us, kBytes}, {seen.bulk_us, 32 << 20}};
    accused += !beats_physics(seen.device_us, kBytes, reads, 0, 0).empty();
  }
  return double(accused) / visits;
}

const SharedMachine kGpu{"GPU", 0, 1, false, 0.004, 0};
const SharedMachine kShared[] = {{"quiet", 0, 1, false, 0.05, 0},
                                 {"31 to 37 GB/s in a minute", 0.16, 60, false, 0.15, 0.01},
                                 {"31 to 37 GB/s at once", 0.16, 0.3, false, 0.15, 0.01},
                                 {"noise", 0.3, 0.5, false, 1, 0.05},
                                 {"half the rate for seconds", 0.5, 2, true, 0.3, 0.02},
                                 {"half the rate for moments", 0.5, 0.1, true, 0.3, 0.02}};

// Seven rounds are the least (500 visits each), forty the most (100). Up to 1.5 % faster than the best reader of the
// family is honest.
TEST(PhysicsOnSharedMachines, NoneOfManyHonestVisitsIsAccused) {
  for (const int rounds : {7, 40})
    for (const double share : {1.0, 0.985}) {
      EXPECT_EQ(accused_share(kGpu, share, rounds), 0) << share;
      for (const SharedMachine& machine : kShared)
        EXPECT_EQ(accused_share(machine, share, rounds), 0) << machine.name << " " << share;
    }
}

TEST(PhysicsOnSharedMachines, WhoClaimsThreeTimesTheRateOrMoreIsAlwaysAccused) {
  for (const int rounds : {7, 40})
    for (const double share : {0.33, 0.25, 0.1})
      for (const SharedMachine& machine : kShared)
        EXPECT_GE(accused_share(machine, share, rounds), 0.98) << machine.name << " " << share;
}

TEST(PhysicsOnSharedMachines, WhatASteadyMachineShowsIsAccusedOnIt) {
  EXPECT_EQ(accused_share(kGpu, 0.96, 7), 1) << "4 % too fast";
  EXPECT_GE(accused_share(kShared[0], 0.95, 7), 0.99);
  EXPECT_GE(accused_share(kShared[1], 0.9, 7), 0.99);
  EXPECT_GE(accused_share(kShared[2], 0.7, 7), 0.99);
  EXPECT_GE(accused_share(kShared[3], 0.55, 7), 0.99);
}

TEST(PhysicsOnSharedMachines, TheSpreadOfTheAccusedAcquitsNobody) {
  std::vector<double> erratic(24, us_of(kBytes) / 4);
  for (size_t i = 0; i < erratic.size(); i += 3) erratic[i] *= 12;  // p75 − p25 is eleven times the median
  EXPECT_NE(accusation(erratic, std::vector<double>(12, us_of(kBulkBytes))), "");
}

TEST(PhysicsOnSharedMachines, WhoIsTooFastInEverySecondLaunchIsAccused) {
  std::vector<double> remembers(24, us_of(kBytes) * 1.1);
  for (size_t i = 0; i < remembers.size(); i += 2) remembers[i] /= 3;
  EXPECT_NE(accusation(remembers, std::vector<double>(12, us_of(kBulkBytes))), "");
}

TEST(PhysicsOnSharedMachines, AMarginIsLeftForWhatTheReadersMiss) {
  const std::vector<double> bulk(12, us_of(kBulkBytes));
  EXPECT_EQ(accusation(std::vector<double>(24, us_of(kBytes) * 0.985), bulk), "");
  EXPECT_NE(accusation(std::vector<double>(24, us_of(kBytes) * 0.975), bulk), "");
}

}  // namespace
}  // namespace assay
