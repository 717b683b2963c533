// Laws of a run: what is wrong costs its cell and shows no time, every framework that is here is right, results are
// kept.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "assay_program.h"
#include "backend/cpu/cpu_info.h"
#include "base/terminal.h"
#include "opbench/opbench.h"

namespace assay {
namespace {

/// One row by the module of tests/opbench_mutants that does what `behaviour` says, and by one that is right.
class MutantRun {
 public:
  explicit MutantRun(const std::string& behaviour, const std::string& row = "ReLU / dim=40x50", WatchMaker watch = {}) {
    setenv("ASSAY_TEST_FRAMEWORK", behaviour.c_str(), 1);
    FrameworkModule module{&info_, ASSAY_OPBENCH_MUTANT, "test", "", 0};
    OpbenchOptions options;
    options.rows = {parse_operation_row(row)};
    options.frameworks = {module};
    options.device = cpu_device_info();
    options.makers = {[] { return OwnedTeam(); }, std::move(watch)};
    options.environment = "test";
    options.limit_s = 2;
    options.takes_lock = false;
    bench_ = std::make_unique<Opbench>(options, store_, OpbenchEvents());
    bench_->run();
  }
  const CaseRecord& record() const { return bench_->rows().at(0).cells.at(0).record.value(); }
  const OpbenchCell& cell() const { return bench_->rows().at(0).cells.at(0); }

 private:
  FrameworkInfo info_{"mutant", "mutant", ""};
  Store store_;
  std::unique_ptr<Opbench> bench_;
};

TEST(a_cell, that_is_right_has_a_time) {
  const MutantRun run("right");
  EXPECT_EQ(run.record().outcome, Outcome::pass) << run.record().detail;
  EXPECT_GT(run.cell().us(OpbenchMethod::rounds), 0);
  EXPECT_GE(run.record().device_us.size(), 5u);
  EXPECT_GE(run.record().errors.elements_checked, 2000);
}

TEST(a_cell, that_is_wrong_has_none) {
  for (const char* behaviour : {"wrong", "tail", "nothing", "remembers", "writes too far"}) {
    const MutantRun run(behaviour);
    EXPECT_EQ(run.record().outcome, Outcome::wrong) << behaviour << ": " << run.record().detail;
    EXPECT_EQ(run.cell().us(OpbenchMethod::rounds), 0) << behaviour;
    EXPECT_EQ(run.cell().word(), "wrong");
  }
}

TEST(a_cell, that_crashes_hangs_or_throws_says_so) {
  EXPECT_EQ(MutantRun("crash").record().outcome, Outcome::crashed);
  EXPECT_TRUE(has(MutantRun("crash").record().detail, "SEGV"));
  EXPECT_EQ(MutantRun("exit").record().outcome, Outcome::crashed);
  EXPECT_EQ(MutantRun("hang").record().outcome, Outcome::timed_out);
  EXPECT_EQ(MutantRun("throw").record().outcome, Outcome::launch_failed);
  EXPECT_TRUE(has(MutantRun("throw").record().detail, "no such stream"));
  EXPECT_EQ(MutantRun("fails to load").record().outcome, Outcome::launch_failed);
  EXPECT_TRUE(has(MutantRun("fails to load").record().detail, "driver is too old"));
  EXPECT_EQ(MutantRun("crashes at load").record().outcome, Outcome::crashed);
  EXPECT_EQ(MutantRun("hangs at load").record().outcome, Outcome::timed_out);
  EXPECT_EQ(MutantRun("no memory").record().outcome, Outcome::device_limit);
}

TEST(a_cell, whose_device_has_a_clock_that_cannot_be_has_no_time) {
  const MutantRun run("slow clock");
  EXPECT_EQ(run.record().outcome, Outcome::launch_failed);
  EXPECT_TRUE(has(run.record().detail, "clock says")) << run.record().detail;
}

TEST(a_cell, whose_framework_changes_its_inputs_crashes) {
  EXPECT_EQ(MutantRun("changes inputs").record().outcome, Outcome::crashed);
}

TEST(a_cell, that_failed_by_its_surroundings_is_tried_again) {
  for (const char* behaviour : {"fails to load", "no memory"})
    EXPECT_TRUE(MutantRun(behaviour).record().has_tag(kRetryTag)) << behaviour;
  EXPECT_FALSE(MutantRun("throw").record().has_tag(kRetryTag));
}

TEST(a_cell, that_says_much_is_cut_between_two_characters) {
  const std::string said = MutantRun("says much").record().detail;
  EXPECT_EQ(said, one_line(said));
  EXPECT_GT(said.size(), 500u);
}

/// A framework whose module loads in no process, or takes all of one with it.
TEST(a_framework, that_cannot_be_asked_for_its_version_is_missing_with_what_it_said) {
  const fs::path folder = fs::path(testing::TempDir()) / "opbench-modules";
  fs::create_directories(folder);
  fs::copy_file(ASSAY_OPBENCH_MUTANT, folder / "mutant.so", fs::copy_options::overwrite_existing);
  const FrameworkInfo info{"mutant", "mutant", "install it"};
  const auto missing = [&](const char* behaviour) {
    setenv("ASSAY_TEST_FRAMEWORK", behaviour, 1);
    return find_framework(info, folder, {}, 1).missing;
  };
  EXPECT_EQ(missing("right"), "");
  setenv("ASSAY_TEST_FRAMEWORK", "odd version", 1);
  EXPECT_EQ(find_framework(info, folder, {}, 1).version, "a [31m\\xff b");
  EXPECT_TRUE(has(missing("fails to load"), "driver is too old"));
  EXPECT_TRUE(has(missing("crashes at load"), "ABRT")) << missing("crashes at load");
  write_file((folder / "mutant.so").string(), "no library");
  EXPECT_TRUE(has(missing("right"), "cannot be loaded")) << missing("right");
  EXPECT_EQ(find_framework(info, folder / "none", {}, 1).missing, "install it");
}

/// Marks every sample, or none.
TEST(a_cell, whose_samples_others_disturbed_is_marked) {
  for (const bool disturbed : {false, true}) {
    const DisturbanceWatch watch{[] {}, [=] { return disturbed ? INT64_C(1'000'000) : 0; }};
    const MutantRun run("right", "ReLU / dim=40x50", [watch] { return watch; });
    EXPECT_EQ(run.record().outcome, Outcome::pass) << run.record().detail;
    EXPECT_EQ(run.record().has_tag(kDisturbedTag), disturbed);
    EXPECT_EQ(run.record().disturbed.size(), run.record().device_us.size());
    EXPECT_GT(run.cell().us(OpbenchMethod::rounds), 0);
  }
}

TEST(a_cell, of_what_a_framework_lacks_is_unsupported) {
  EXPECT_EQ(MutantRun("lacks it").record().outcome, Outcome::unsupported);
  EXPECT_EQ(MutantRun("right", "Sigmoid / dim=4").record().detail, "only ReLU");
}

TEST(a_cell, that_does_not_fit_into_memory_says_how_much_it_needs) {
  setenv("ASSAY_MEMORY_MB", "100", 1);
  const MutantRun run("right");
  unsetenv("ASSAY_MEMORY_MB");
  EXPECT_EQ(run.record().outcome, Outcome::device_limit);
  EXPECT_TRUE(has(run.record().detail, "needs 800 MB")) << run.record().detail;
}

const Home& home() {
  static const Home home;
  return home;
}

Json smoke(const Arguments& more = {}) {
  Arguments arguments{"opbench",
                      "--smoke",
                      "--quiet",
                      "--json",
                      home().folder / "smoke.json",
                      "--store",
                      home().folder / "smoke.sqlite"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Ended ended = home().run(arguments);
  EXPECT_EQ(ended.exit_code, 0) << ended.err << ended.out;
  return Json::parse(read_file(home().folder / "smoke.json"));
}

TEST(every_framework_that_is_here, is_right_or_says_what_it_lacks) {
  const Json report = smoke();
  size_t of_own = 0;
  for (const Json& cell : report["cells"]) {
    const std::string outcome = cell["outcome"].get<std::string>(),
                      name = cell["row"].get<std::string>() + " @ " + cell["framework"].get<std::string>();
    EXPECT_TRUE(outcome == "pass" || outcome == "unsupported" || outcome == "not here")
        << name << ": " << cell["detail"];
    EXPECT_EQ(outcome == "pass", cell["median_us"].is_number()) << name;
    of_own += outcome == "pass" && cell["framework"] == "assay_cpu";
  }
  EXPECT_EQ(of_own, 23u);
  EXPECT_EQ(count_of(report["cells"].dump(), "needs an Apple machine"), 3u * 23u);
}

TEST(results, are_kept_and_not_measured_twice) {
  const Json first = smoke(), second = smoke();
  EXPECT_EQ(first["cells"], second["cells"]);
  const Ended plan = home().run({"opbench", "--smoke", "--dry-run", "--store", home().folder / "smoke.sqlite"});
  EXPECT_EQ(plan.exit_code, 0);
  EXPECT_TRUE(has(plan.out, "0 cells to measure")) << plan.out;
  const Ended compared = home().run({"compare", home().folder / "smoke.sqlite", home().folder / "smoke.sqlite"});
  EXPECT_EQ(compared.exit_code, 0) << compared.out << compared.err;
  EXPECT_TRUE(has(compared.out, "SAME")) << compared.out;
}

TEST(a_plan, lists_rows_frameworks_memory_and_time_and_measures_nothing) {
  const Home fresh;
  const Ended plan = fresh.run({"opbench", "--dry-run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  for (const char* part : {"MatMul / dim=1000000x64 dim=64x1024", "MB at once", "mlx_gpu_compile",
                           "needs an Apple machine", "torch_cuda", "assay_cpu", "cells to measure, about"})
    EXPECT_TRUE(has(plan.out, part)) << part;
  EXPECT_FALSE(fs::exists(fresh.folder / "state/assay/opbench.sqlite"));
}

TEST(names_that_are_unknown, are_refused_with_what_is_near) {
  const auto refused = [](const Arguments& arguments, const char* part) {
    const Ended ended = home().run(arguments);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_TRUE(has(ended.err, part)) << ended.err;
  };
  refused({"opbench", "--op", "Softmx"}, "did you mean Softmax");
  refused({"opbench", "--op", "relu"}, "did you mean ReLU");
  refused({"opbench", "--framework", "pytorch"}, "there are mlx_gpu");
  refused({"opbench", "--framework", "torch_cp"}, "did you mean torch_cpu");
  refused({"opbench", "--shape", "dim=3x3"}, "--shape dim=3x3: nothing is named so");
  refused({"opbench", "--row", "ReLU dim=4"}, "no row");
  refused({"opbench", "--method", "seeds"}, "did you mean seed?");
  refused({"opbench", "--framework", "mps"}, "needs an Apple machine");
}

TEST(the_seeds_method, prints_the_seeds_tables) {
  const Ended ended =
      home().run({"opbench", "--row", "ReLU / dim=64x64", "--row", "ReLU / dim=4x4", "--method", "seed", "--classic",
                  "--framework", "assay_cpu", "--quiet", "--store", home().folder / "seed.sqlite"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(ended.out.starts_with(
      "Namespace(include_mlx_gpu=0, include_mlx_gpu_compile=0, include_mlx_cpu=0, include_mps=0, "
      "include_cpu=0, include_cuda=0, include_assay_cpu=1)\nUse MLX: False\n\nRunning benchmarks on "
      "assay_cpu (1/1)\n\nDetailed benchmark:\n| Operation "))
      << ended.out;
  EXPECT_TRUE(has(ended.out, "\n Average benchmark:\n")) << ended.out;
}

TEST(an_interrupt, ends_the_run_and_keeps_what_is_finished) {
  const auto running =
      home().start({"opbench", "--op", "Softmax", "--framework", "assay_cpu", "--store", home().folder / "int.sqlite"});
  ASSERT_TRUE(running->says("1/6"));
  running->send(SIGINT);
  EXPECT_EQ(running->wait().exit_code, 130);
}

TEST(the_audit, reads_the_seeds_table) {
  const std::string seed = std::string(ASSAY_SOURCE_DIR) + "/tests/data/seed-004-operations.txt";
  const Ended ended = home().run({"audit", seed});
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  EXPECT_TRUE(has(ended.out, "does not scale")) << ended.out;
  const Ended json = home().run({"audit", seed, "--json", "-"});
  EXPECT_EQ(Json::parse(json.out)["counts"]["impossible"], 12);
}

}  // namespace
}  // namespace assay
