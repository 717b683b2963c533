// Laws of what a CPU is told to be: which processors may be used, which instruction sets it has.
#include "backend/cpu/cpu_info.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "kernel/isa.h"

namespace assay {
namespace {
namespace fs = std::filesystem;

TEST(CpuInfo, AListOfCpusIsReadAsTheSystemWritesIt) {
  EXPECT_EQ(cpus_in_list("0-3,8"), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(cpus_in_list("1500"), std::vector<int>{1500});
  EXPECT_EQ(cpus_in_list("0,64"), (std::vector<int>{0, 64}));
  for (const char* nothing : {"", "\n", "x", "-3"}) EXPECT_TRUE(cpus_in_list(nothing).empty()) << nothing;
}

TEST(CpuInfo, AQuotaIsWholeCpusAndAtLeastOne) {
  EXPECT_EQ(quota_of("max 100000"), INT64_MAX);
  EXPECT_EQ(quota_of("200000 100000"), 2);
  EXPECT_EQ(quota_of("250000 100000"), 2);
  EXPECT_EQ(quota_of("50000 100000"), 1);
  for (const char* none : {"", "-1 100000", "100000", "100000 0"}) EXPECT_EQ(quota_of(none), INT64_MAX) << none;
}

TEST(CpuInfo, TheNarrowestOfTheControlGroupsAroundCountsInBothVersions) {
  const fs::path root = fs::path(testing::TempDir()) / fmt::format("cpu-quota-{}", getpid());
  const auto put = [&](const std::string& file, const std::string& text) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  };
  EXPECT_EQ(cpu_quota(root), INT64_MAX) << "no control groups";
  put("proc/self/cgroup", "0::/outer/inner\n");
  put("sys/fs/cgroup/outer/cpu.max", "300000 100000\n");
  put("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(root), 3);
  put("sys/fs/cgroup/outer/inner/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota(root), 1);
  put("proc/self/cgroup", "5:cpu,cpuacct:/job\n4:memory:/job\n");
  put("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "400000\n");
  put("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(root), 4);
  fs::remove_all(root);
}

TEST(CpuInfo, AllowedCpusAreThoseOfTheAffinityWhereNoQuotaIsLess) {
  const std::vector<int> cpus = allowed_cpus();
  ASSERT_FALSE(cpus.empty());
  EXPECT_TRUE(std::is_sorted(cpus.begin(), cpus.end()));
  EXPECT_LE(std::ssize(cpus), std::max<int64_t>(cpu_quota(), 1));
}

TEST(InstructionSets, ASetIsThereWhereAllOfItsFeaturesAreAndTheFullestComesLast) {
  const auto levels_with = [](std::vector<std::string> features) {
    std::vector<std::string> names;
    for (const IsaLevel& level : isa_levels([&](const IsaFeature& f) {
           return std::find(features.begin(), features.end(), f.name) != features.end();
         }))
      names.push_back(level.name);
    return names;
  };
#if defined(__x86_64__)
  EXPECT_EQ(levels_with({}), std::vector<std::string>{"generic"});
  EXPECT_EQ(levels_with({"avx2", "avxvnni"}), (std::vector<std::string>{"generic", "avx2", "avx2+avxvnni"}));
  EXPECT_EQ(levels_with({"avx512", "vnni"}), std::vector<std::string>{"generic"}) << "avx512 has avx2 within it";
  EXPECT_EQ(levels_with({"avx2", "avx512", "vnni", "bf16"}),
            (std::vector<std::string>{"generic", "avx2", "avx512", "avx512+vnni", "avx512+bf16", "avx512+vnni+bf16"}));
#endif
  for (const std::string& name : isa_names())
    EXPECT_EQ(std::count(isa_names().begin(), isa_names().end(), name), 1) << name;
}

TEST(InstructionSets, TilesAreOfferedWhereTheProcessorHasThemAndTheSystemGivesLeave) {
  std::ifstream in("/proc/cpuinfo");
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  const bool has_tiles = all.find(" amx_tile") != std::string::npos && all.find(" amx_int8") != std::string::npos &&
                         all.find(" amx_bf16") != std::string::npos;
  const std::vector<IsaLevel> levels = cpu_isa_levels();
  const bool is_offered =
      std::any_of(levels.begin(), levels.end(), [](const IsaLevel& level) { return level.name == "avx512+amx"; });
  if (!has_tiles) {
    EXPECT_FALSE(is_offered);
    GTEST_SKIP() << "this processor has no AMX";
  }
  EXPECT_EQ(is_offered, tile_leave().empty()) << tile_leave();
  const DeviceInfo info = cpu_device_info();
  EXPECT_EQ(tile_leave().empty(), std::none_of(info.properties.begin(), info.properties.end(),
                                               [](const auto& p) { return p.first == "tiles"; }))
      << "a refusal is shown with its reason";
}

}  // namespace
}  // namespace assay
