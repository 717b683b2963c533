// Whole sweeps whose kernels fork, die, or meet too little memory: what it costs, what is left, and what a second run
// tries again.
#include "assay_program.h"
#include "store/database.h"

namespace assay {
namespace {

/// Code that runs in the worker when the module is loaded.
std::string when_loaded(const std::string& code) {
  return "#include <signal.h>\n#include <unistd.h>\nstatic const int done = [] { " + code + " return 0; }();\n";
}

const std::string kOrphan = "if (fork() == 0) { setsid(); if (fork() == 0) for (;;) pause(); _exit(0); }";
const std::string kChild = "if (fork() == 0) for (;;) pause();";

TEST(sweep_isolation, a_process_left_behind_is_named_costs_its_case_alone_and_is_gone_at_the_end) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(),
                 {{"test_orphan", when_loaded(kOrphan)}, {"test_child", when_loaded(kChild)}, {"test_plain"}});
  const Ended ended = home.run(home.probe(spec_line("64")));
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  const auto records = home.reported();
  for (const char* name : {"test_orphan/plain", "test_child/plain"}) {
    const CaseRecord* left = find_case(records, name);
    ASSERT_TRUE(left) << name;
    EXPECT_EQ(left->outcome, Outcome::wrong) << name;
    EXPECT_TRUE(has(left->detail, "left "))
        << left->detail;  // "a process", or "2 processes" where the one between still ends
    EXPECT_TRUE(has(left->detail, " behind: ")) << left->detail;
    EXPECT_TRUE(has(left->detail, "assay probe")) << left->detail;
  }
  EXPECT_TRUE(is_sound(find_case(records, "test_plain/plain")));
  EXPECT_EQ(home.processes_left(), 0u);
}

TEST(sweep_isolation, neither_ctrl_c_nor_a_killed_program_leaves_a_process) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGKILL}) {
    const Home home;
    home.with_ceilings();
    const fs::path started = home.folder / "started";
    const std::string tell = "(void)!symlink(\"x\", \"" + started.string() + "\"); for (;;) pause();";
    write_drop_ins(home.kernels(), {{"test_forks", when_loaded(kOrphan + kChild + tell)}});
    const auto probe = home.start(home.probe(spec_line("64")));
    for (int i = 0; i < 60000 && !fs::is_symlink(started); ++i) usleep(1000);
    ASSERT_TRUE(fs::is_symlink(started)) << probe->err();
    probe->send(signal);
    probe->wait();
    EXPECT_EQ(home.processes_left(), 0u) << signal;
  }
}

TEST(sweep_isolation, a_worker_that_was_killed_from_outside_is_tried_again_one_that_crashed_is_not) {
  const Home home;
  home.with_ceilings();
  const fs::path deadly = home.folder / "deadly";
  write_file(deadly, "");
  const std::string killed = "if (access(\"" + deadly.string() + "\", F_OK) == 0) raise(SIGKILL);";
  write_drop_ins(home.kernels(),
                 {{"test_killed", when_loaded(killed)}, {"test_aborts", when_loaded("raise(SIGABRT);")}});
  EXPECT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 1);
  const auto first = home.reported();
  ASSERT_TRUE(find_case(first, "test_killed/plain"));
  EXPECT_EQ(find_case(first, "test_killed/plain")->outcome, Outcome::crashed);
  EXPECT_TRUE(has(find_case(first, "test_killed/plain")->detail, "KILL"))
      << find_case(first, "test_killed/plain")->detail;
  EXPECT_EQ(find_case(first, "test_killed/plain")->tags, std::vector<std::string>{"retry"});
  fs::remove(deadly);
  EXPECT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 1);
  EXPECT_EQ(home.report()["cases_measured"], 1);
  EXPECT_EQ(home.report()["cases_from_store"], 1);
  EXPECT_TRUE(is_sound(find_case(home.reported(), "test_killed/plain")));
}

TEST(sweep_isolation, what_the_surroundings_caused_and_time_outs_are_measured_again) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_other"}});
  EXPECT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 0);
  const auto measured_after = [&](const std::string& change) {
    Database(home.store(), Database::Open::existing)
        .execute("UPDATE cases SET " + change + " WHERE variant = 'test_other/plain'");
    home.run(home.probe(spec_line("64")));
    return home.report()["cases_measured"].get<int>();
  };
  EXPECT_EQ(measured_after("outcome = 'timed_out', tags = '[]'"), 1);
  EXPECT_EQ(measured_after("outcome = 'launch_failed', tags = '[\"retry\"]'"), 1);
  EXPECT_EQ(measured_after("outcome = 'device_limit', tags = '[\"retry\"]'"), 1);
  for (const char* final : {"crashed", "launch_failed", "device_limit", "wrong"})
    EXPECT_EQ(measured_after("outcome = '" + std::string(final) + "', tags = '[]'"), 0) << final;
}

TEST(sweep_isolation, where_there_is_little_memory_the_ceilings_are_of_less_and_the_reason_is_told) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes more memory than this law allows";
  const Home home;
  const Ended ended = home.run({"devices", "--device", "cpu"}, {{"ASSAY_MEMORY_MB", "400"}});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.err, "with 64 MB at most: cpu:0 has ")) << ended.err;
  EXPECT_TRUE(has(ended.err, "(ASSAY_MEMORY_MB is 400)")) << ended.err;
  EXPECT_FALSE(has(ended.out, "read 128 MB")) << ended.out;
  const Ended none = home.run({"devices", "--device", "cpu"}, {{"ASSAY_MEMORY_MB", "30"}});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_TRUE(has(none.err, "too little to measure what it reaches; it takes 32 MB")) << none.err;
}

TEST(sweep_isolation, inputs_that_do_not_fit_are_the_devices_limit_until_they_do) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes more memory than this law allows";
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const Arguments probe = home.probe(spec_line("256", "256"), {"--variant", "test_*", "--footprint", "64"});
  EXPECT_EQ(home.run(probe, {{"ASSAY_MEMORY_MB", "60"}}).exit_code, 0);
  const auto limited = home.reported();
  ASSERT_EQ(limited.size(), 1u);
  EXPECT_EQ(limited[0].outcome, Outcome::device_limit);
  EXPECT_TRUE(has(limited[0].detail, "its inputs take ")) << limited[0].detail;
  EXPECT_EQ(home.run(probe).exit_code, 0);
  EXPECT_TRUE(is_sound(find_case(home.reported(), "test_plain/plain")));
}

TEST(sweep_isolation, another_users_link_in_the_temporary_folder_is_no_store) {
  const Home home;
  const fs::path planted = home.folder / ("assay-" + std::to_string(geteuid())), elsewhere = home.folder / "elsewhere";
  fs::create_directory(elsewhere);
  fs::create_directory_symlink(elsewhere, planted);
  const Ended ended = home.run({"devices"}, {{"HOME", ""}, {"XDG_STATE_HOME", ""}, {"TMPDIR", home.folder}});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, planted.string() + ": is a link, not a folder; set HOME")) << ended.err;
  EXPECT_TRUE(fs::is_empty(elsewhere));
}

}  // namespace
}  // namespace assay
