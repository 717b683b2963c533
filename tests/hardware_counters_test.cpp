// Laws of counters: who reads less than half of what he must is accused by the hardware's count; where it is found.
#include "backend/cpu/hardware_counters.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "fake_rounds.h"
#include "measure/physics.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

class CountedTest : public FakeRounds {
 protected:
  CountedTest() { context_.counters = true; }

  /// A right kernel whose launches are counted as reading that share of B.
  CaseRecord run(double share) {
    const auto kernel = [this, share](const Launch& launch, size_t, size_t) {
      multiply(launch);
      Counts& counted = backend_.history().counted;
      counted.dram_bytes += share * double(spec_.weight_bytes());
      counted.instructions += 1000;
      counted.cycles += 500;
    };
    return FakeRounds::run({work("k", kernel)}).at(0);
  }
};

TEST_F(CountedTest, ALaunchIsToldItsMeanCounts) {
  const CaseRecord record = run(1.25);
  EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
  EXPECT_DOUBLE_EQ(record.dram_bytes, 1.25 * double(spec_.weight_bytes()));
  EXPECT_DOUBLE_EQ(record.instructions, 1000);
  EXPECT_DOUBLE_EQ(record.cycles, 500);
}

TEST_F(CountedTest, WhoIsCountedBelowHalfOfWhatHeMustReadIsImpossibleAndNobodyElseIs) {
  const CaseRecord accused = run(0.49);
  EXPECT_EQ(accused.outcome, Outcome::impossible);
  EXPECT_NE(accused.detail.find("by the hardware's count"), std::string::npos) << accused.detail;
  EXPECT_EQ(run(0.51).outcome, Outcome::pass);
}

TEST_F(CountedTest, InHotModeWeightsAreInACacheAndNobodyIsAccused) {
  context_.mode = Mode::hot;
  EXPECT_EQ(run(0).outcome, Outcome::pass);
}

TEST_F(CountedTest, WhatTheHardwareDoesNotCountAccusesNobody) {
  backend_.history().counted.dram_bytes = NAN;
  const CaseRecord record = run(0);
  EXPECT_EQ(record.outcome, Outcome::pass) << record.detail;
  EXPECT_TRUE(std::isnan(record.dram_bytes));
  EXPECT_DOUBLE_EQ(record.instructions, 1000);
}

TEST_F(CountedTest, WithoutTheOptionNothingIsCounted) {
  context_.counters = false;
  const CaseRecord record = run(0);
  EXPECT_EQ(record.outcome, Outcome::pass);
  EXPECT_TRUE(std::isnan(record.dram_bytes) && std::isnan(record.instructions));
}

class MemoryEvents : public ::testing::Test {
 protected:
  MemoryEvents() : folder_(fs::temp_directory_path() / fmt::format("assay-events-{}", getpid())) {}
  ~MemoryEvents() override { fs::remove_all(folder_); }
  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text << "\n";
  }
  void put_controller(const std::string& name, const std::string& event, const std::string& config) const {
    put(name + "/type", "14");
    put(name + "/cpumask", "0,18-19");
    put(name + "/events/" + event, config);
    put(name + "/events/" + event + ".scale", "6.103515625e-5");
    put(name + "/events/" + event + ".unit", "MiB");
  }
  const fs::path folder_;
};

TEST_F(MemoryEvents, ThoseOfControllersAreFoundWithTheirUnit) {
  put_controller("uncore_imc_0", "cas_count_read", "event=0x04,umask=0x03");
  put("cpu/type", "4");
  const std::vector<MemoryEvent> events = find_memory_events(folder_);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, 14u);
  EXPECT_EQ(events[0].config, 0x304u);
  EXPECT_EQ(events[0].cpus, (std::vector<int>{0, 18, 19}));
  EXPECT_DOUBLE_EQ(events[0].bytes, 64);
}

TEST_F(MemoryEvents, WhatCannotBeReadIsLeftOut) {
  EXPECT_TRUE(find_memory_events(folder_ / "nothing").empty());
  put_controller("uncore_imc_0", "cas_count_read", "config1=0x3f,event=0x04");
  put_controller("uncore_imc_1", "cas_count_read", "event=");
  put_controller("uncore_imc_2", "cas_count_read", "event=0x999");
  put_controller("uncore_imc_3", "cas_count_read", "event=0x04");
  put("uncore_imc_3/events/cas_count_read.unit", "furlongs");
  EXPECT_TRUE(find_memory_events(folder_).empty());
}

TEST(HardwareCounters, CountOrSayInOneLineWhyNot) {
  const std::string missing = HardwareCounters::missing();
  EXPECT_EQ(missing.find('\n'), std::string::npos);
  HardwareCounters counters;
  const Counts before = counters.read();
  volatile double sum = 0;
  for (int i = 0; i < 1'000'000; ++i) sum = sum + i;
  const Counts passed = counters.read() - before;
  if (missing.empty())
    EXPECT_GT(passed.instructions, 1e6);
  else
    EXPECT_TRUE(std::isnan(passed.instructions)) << missing;
}

}  // namespace
}  // namespace assay
