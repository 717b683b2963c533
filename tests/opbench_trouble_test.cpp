// Laws of a run in trouble: what the program says and keeps when a framework fails, the store does, or Ctrl-C comes
// early.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "assay_program.h"

namespace assay {
namespace {

/// The program with two frameworks: its own, and in onednn's place the module that is wrong on purpose.
class Trouble {
 public:
  Trouble() {
    const fs::path modules = program_.parent_path() / "opbench";
    fs::create_directories(modules);
    fs::copy_file(ASSAY_PROGRAM, program_);
    for (const auto& entry : fs::directory_iterator(fs::path(ASSAY_PROGRAM).parent_path() / "opbench"))
      if (const std::string name = entry.path().filename();
          name.starts_with("assay_cpu") || name.starts_with("ceiling"))
        fs::copy_file(entry, modules / name);
    fs::copy_file(ASSAY_OPBENCH_MUTANT, modules / "onednn.so");
  }
  std::unique_ptr<Running> start(const std::string& behaviour, Arguments arguments, const Arguments& before = {}) {
    arguments.insert(arguments.begin(), {program_.string(), "opbench", "--store", store().string()});
    arguments.insert(arguments.begin(), before.begin(), before.end());
    Variables variables = home_.variables;
    variables["ASSAY_TEST_FRAMEWORK"] = behaviour;
    variables["ASSAY_TEST_SIGN"] = sign();
    return std::make_unique<Running>(arguments, variables, home_.folder / ("trouble" + std::to_string(++started_)));
  }
  Ended run(const std::string& behaviour, const Arguments& arguments, const Arguments& before = {}) {
    return start(behaviour, arguments, before)->wait();
  }
  fs::path store() const { return home_.folder / "trouble.sqlite"; }
  fs::path sign() const { return home_.folder / "sign"; }

 private:
  Home home_;
  fs::path program_ = home_.folder / "program/assay";
  int started_ = 0;
};

TEST(a_framework_that_fails, costs_its_cells_and_is_told_by_the_exit_code) {
  Trouble trouble;
  for (const char* behaviour : {"crash", "throw", "writes too far"}) {
    const Ended ended = trouble.run(behaviour, {"--smoke", "--op", "ReLU", "--fresh"});
    EXPECT_EQ(ended.exit_code, 1) << behaviour << ended.err << ended.out;
    EXPECT_TRUE(has(ended.out, "@ onednn: ")) << ended.out;
    EXPECT_FALSE(has(ended.out, "@ assay_cpu: ")) << ended.out;
  }
  EXPECT_EQ(trouble.run("lacks it", {"--smoke", "--op", "ReLU", "--fresh"}).exit_code, 0);
}

/// A control group of its own with this much memory, where this process may make one.
class SmallGroup {
 public:
  explicit SmallGroup(int64_t megabytes) {
    for (const auto& [mount, limit] :
         {std::pair("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), std::pair("/sys/fs/cgroup", "memory.max")}) {
      std::error_code error;
      const fs::path folder =
          fs::path(mount) / ("assay-test-" + std::to_string(getpid()) + "-" + std::to_string(megabytes));
      if (!fs::exists(fs::path(mount) / "cgroup.procs", error) || !fs::create_directory(folder, error)) continue;
      folder_ = folder;
      std::ofstream out(folder / limit);
      if (fs::exists(folder / limit, error) && out << (megabytes << 20) << std::flush) return;
      leave();
    }
  }
  ~SmallGroup() { leave(); }
  bool is_made() const { return !folder_.empty(); }
  /// What starts a program inside.
  Arguments inside() const {
    return {"/bin/sh", "-c", "echo $$ > " + (folder_ / "cgroup.procs").string() + " && exec \"$@\"", "sh"};
  }

 private:
  void leave() {
    if (!folder_.empty()) rmdir(folder_.c_str());
    folder_.clear();
  }
  fs::path folder_;
};

/// Two frameworks and the processes of a row need 900 MB before they begin; the one that eats takes a gigabyte more.
TEST(too_little_memory, is_a_limit_with_numbers_before_a_row_and_in_a_cell) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  const SmallGroup small(300), enough(1000);
  if (!small.is_made() || !enough.is_made()) GTEST_SKIP() << "no control group can be made here";
  Trouble trouble;
  const Arguments row = {"--row", "ReLU / dim=64x1024", "--fresh", "--quiet"};
  const Ended before = trouble.run("right", row, small.inside());
  EXPECT_EQ(before.exit_code, 0) << before.err;
  EXPECT_EQ(count_of(before.out, "device_limit: needs 800 MB, its control group /assay-test-"), 2u) << before.out;
  EXPECT_EQ(count_of(before.out, "may take 300 MB"), 2u) << before.out;
  const Ended inside = trouble.run("eats memory", row, enough.inside());
  EXPECT_EQ(inside.exit_code, 0) << inside.err << inside.out;
  EXPECT_TRUE(has(inside.out, "@ onednn: device_limit: out of memory: the system killed it when it had "))
      << inside.out;
  EXPECT_TRUE(has(inside.out, "may take 1000 MB")) << inside.out;
  EXPECT_FALSE(has(inside.out, "@ assay_cpu: ")) << inside.out;
}

TEST(an_interrupt, while_a_framework_hangs_at_load_ends_the_run) {
  Trouble trouble;
  const auto running = trouble.start("hangs at load", {"--smoke", "--op", "ReLU"});
  for (int i = 0; i < 3000 && !fs::exists(trouble.sign()); ++i) usleep(10'000);
  running->send(SIGINT);
  const Ended ended = running->wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_EQ(ended.err, "interrupted before the first cell\n");
}

TEST(a_store_that_takes_no_more, leaves_what_was_measured_to_be_seen) {
  Trouble trouble;
  const Ended ended = trouble.run("right", {"--smoke", "--framework", "assay_cpu", "--quiet"},
                                  {"/bin/sh", "-c", "ulimit -f 400; exec \"$@\"", "sh"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "the store failed")) << ended.err;
  EXPECT_TRUE(has(ended.out, "Argmax / dim=8x64x32 axi=1")) << ended.out;
  EXPECT_TRUE(has(ended.out, "not measured")) << ended.out;
}

/// A smoke test measures less than the method asks for.
TEST(times_of_a_smoke_test, are_not_taken_for_measured_ones) {
  Trouble trouble;
  const Arguments smoke = {"--smoke", "--op", "ReLU", "--framework", "assay_cpu"},
                  same = {"--row", "ReLU / dim=8x33", "--framework", "assay_cpu", "--dry-run"};
  EXPECT_EQ(trouble.run("right", smoke).exit_code, 0);
  EXPECT_TRUE(has(trouble.run("right", same).out, "1 cells to measure"));
}

TEST(a_row_that_is_named_twice, is_measured_once) {
  Trouble trouble;
  const Ended plan = trouble.run("right", {"--row", "ReLU / dim=8", "--row", "ReLU / dim=8", "--dry-run"});
  EXPECT_TRUE(plan.out.starts_with("1 rows")) << plan.out;
}

}  // namespace
}  // namespace assay
