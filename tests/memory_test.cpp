// What memory there is, as the machine and its control groups tell it; and which cases of a spec live at the same time.
#include "base/memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "base/file.h"
#include "measure/batches.h"
#include "measure/binding.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

class MemoryTest : public ::testing::Test {
 protected:
  MemoryTest() {
    char name[] = "/tmp/assay-memory-test-XXXXXX";
    root_ = mkdtemp(name);
    write("proc/meminfo", "MemTotal:       24684084 kB\nMemFree: 1 kB\nMemAvailable:   20480000 kB\n");
    write("proc/vmstat", "nr_free_pages 1\noom_kill 3\n");
  }
  ~MemoryTest() override { fs::remove_all(root_); }
  void write(const std::string& file, const std::string& text) const { write_file(root_ / file, text); }
  MemoryRoom room() const { return memory_room(root_); }

  fs::path root_;
};

constexpr int64_t kMB = int64_t(1) << 20;

TEST_F(MemoryTest, WithoutAControlGroupItIsWhatTheMachineHasFree) {
  EXPECT_EQ(room().bytes, int64_t(20480000) << 10);
  EXPECT_TRUE(room().is_machine);
  EXPECT_EQ(room().limit, "this machine has 24105 MB");
}

TEST_F(MemoryTest, ASecondVersionGroupLimitsByTheTightestAroundIt) {
  write("proc/self/cgroup", "0::/outer/inner\n");
  write("sys/fs/cgroup/outer/memory.max", std::to_string(400 * kMB) + "\n");
  write("sys/fs/cgroup/outer/memory.current", std::to_string(100 * kMB) + "\n");
  write("sys/fs/cgroup/outer/memory.stat", "anon 1\ninactive_file " + std::to_string(40 * kMB) + "\n");
  write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  write("sys/fs/cgroup/outer/inner/memory.peak", std::to_string(90 * kMB) + "\n");
  write("sys/fs/cgroup/outer/inner/memory.events", "low 0\noom 5\noom_kill 2\n");
  EXPECT_EQ(room().bytes, 340 * kMB) << "what a cache took is given back when it is needed";
  EXPECT_FALSE(room().is_machine);
  EXPECT_EQ(room().limit, "its control group /outer may take 400 MB");
  EXPECT_EQ(control_group_peak(root_), 90 * kMB);
  EXPECT_EQ(out_of_memory_kills(root_), 5);
}

TEST_F(MemoryTest, AFirstVersionGroupLimitsAlsoWhereThePathIsTheHosts) {
  write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/0123\n0::/\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(300 * kMB) + "\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(50 * kMB) + "\n");
  write("sys/fs/cgroup/memory/memory.stat", "cache 1\ntotal_inactive_file 0\n");
  write("sys/fs/cgroup/memory/memory.max_usage_in_bytes", std::to_string(299 * kMB) + "\n");
  write("sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
  EXPECT_EQ(room().bytes, 250 * kMB);
  EXPECT_EQ(room().limit, "its control group / may take 300 MB");
  EXPECT_EQ(control_group_peak(root_), 299 * kMB);
  EXPECT_EQ(out_of_memory_kills(root_), 7);
}

TEST_F(MemoryTest, NoLimitIsWrittenAsAVeryLargeNumber) {
  write("proc/self/cgroup", "4:memory:/a\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_TRUE(room().is_machine);
}

TEST_F(MemoryTest, WhatIsTakenBeyondALimitLeavesNothing) {
  write("proc/self/cgroup", "0::/a\n");
  write("sys/fs/cgroup/a/memory.high", std::to_string(100 * kMB));
  write("sys/fs/cgroup/a/memory.current", std::to_string(120 * kMB));
  EXPECT_EQ(room().bytes, 0);
}

TEST_F(MemoryTest, AUsersOwnLimitsCount) {
  setenv("ASSAY_MEMORY_MB", "2000", 1);
  EXPECT_LT(room().bytes, 2000 * kMB);
  EXPECT_GT(room().bytes, 1000 * kMB);
  EXPECT_EQ(room().limit, "ASSAY_MEMORY_MB is 2000");
  unsetenv("ASSAY_MEMORY_MB");
  rlimit before{};
  getrlimit(RLIMIT_AS, &before);
  if (before.rlim_max != RLIM_INFINITY) GTEST_SKIP() << "there is a limit already";
  const rlimit small{rlim_t(int64_t(20000) << 20), before.rlim_max};
  if (setrlimit(RLIMIT_AS, &small) != 0) GTEST_SKIP() << "no such limit can be set here";
  const MemoryRoom limited = room();
  setrlimit(RLIMIT_AS, &before);
  EXPECT_LE(limited.bytes, 20000 * kMB);
}

TEST(batches, what_fits_together_is_one_batch) {
  EXPECT_EQ(make_batches({1, 2, 3}, 6), (std::vector<std::vector<size_t>>{{0, 1, 2}}));
  EXPECT_TRUE(make_batches({}, 6).empty());
}

TEST(batches, no_batch_exceeds_the_room_and_every_case_that_fits_alone_is_in_one) {
  const std::vector<int64_t> bytes{4, 9, 5, 1, 12, 6, 10};
  const auto batches = make_batches(bytes, 10);
  EXPECT_EQ(batches, (std::vector<std::vector<size_t>>{{0, 2, 3}, {1}, {5}, {6}}));
}

TEST(batches, two_vendors_copies_that_do_not_fit_side_by_side_are_measured_one_after_the_other) {
  DeviceInfo device;
  RoundsContext context;
  context.device = &device;
  context.footprint = int64_t(512) << 20;
  Variant repacks, reads;
  repacks.prepares = true;
  const Spec spec =
      parse_spec("op=matmul | batch=1 | m=1 | n=200000 | k=12000 | tA=0 | tB=1 | dtA=f16 | dtB=q8_0 | dtD=f16");
  const int64_t copy = int64_t(200000) * 12000 * 4;
  EXPECT_GE(case_bytes(spec, repacks, context), copy);
  EXPECT_LT(case_bytes(spec, repacks, context), copy + (100 << 20));
  EXPECT_LT(case_bytes(spec, reads, context), 100 << 20);
  const std::vector<int64_t> both(2, case_bytes(spec, repacks, context));
  EXPECT_EQ(make_batches(both, int64_t(16) << 30).size(), 2u);
  EXPECT_EQ(make_batches(both, int64_t(24) << 30).size(), 1u);
  EXPECT_TRUE(make_batches(both, int64_t(8) << 30).empty());
}

TEST(batches, small_weights_are_repacked_as_often_as_fills_the_footprint_or_as_turns_meet_them) {
  DeviceInfo device;
  RoundsContext context;
  context.device = &device;
  context.footprint = 64 << 20;
  Variant repacks;
  repacks.prepares = true;
  const Spec spec = parse_spec("op=matmul | batch=1 | m=1 | n=64 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32");
  const int64_t one = 64 * 64 * 4, copies = copies_in_turns(one, context.footprint);
  ASSERT_LT(copies * one, context.footprint);
  EXPECT_GE(case_bytes(spec, repacks, context), copies * one);
  EXPECT_LT(case_bytes(spec, repacks, context), context.footprint) << "a turn meets few, and long reads lie between";
  device.launches_per_sample = 200;  // a burst meets all of them
  EXPECT_GE(case_bytes(spec, repacks, context), context.footprint);
  context.mode = Mode::hot;
  EXPECT_LT(case_bytes(spec, repacks, context), context.footprint);
}

}  // namespace
}  // namespace assay
