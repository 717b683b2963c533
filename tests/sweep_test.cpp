// Whole sweeps by the real program: lying kernels, compilers that fail, interruption, resuming, sharing, re-measuring.
#include "assay_program.h"
#include "measure/measuring_lock.h"
#include "store/database.h"

namespace assay {
namespace {

constexpr size_t kManySpecs = 16;
const std::string kManyLines = spec_line("16..256..16");

/// Text that no run had before, so that nothing built from it lies in a cache.
std::string never_seen() { return "// " + std::to_string(now_ns()) + " " + std::to_string(getpid()) + "\n"; }

/// A compiler that answers what it is, and then does as the shell lines say. Answers are the real compiler's.
fs::path write_compiler(const Home& home, const std::string& lines) {
  const fs::path script = home.folder / "compiler";
  write_file(script, "#!/bin/sh\ncase \"$1\" in --version|-dump*) exec " + find_compiler().command +
                         " \"$@\";; esac\n" + lines + "\n");
  fs::permissions(script, fs::perms::owner_all);
  return script;
}

int64_t reported_number(const Home& home, const char* name) { return home.report()[name].get<int64_t>(); }

TEST(sweep_honesty, a_manifest_that_claims_another_layout_than_the_kernel_reads_is_found_wrong) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_liar", "#define READS_NT", "nn"}, {"test_plain", "", "nn"}});
  const Ended ended = home.run(home.probe(spec_line("64", "64", false)));
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  const auto records = home.reported();
  ASSERT_TRUE(find_case(records, "test_liar/plain"));
  EXPECT_EQ(find_case(records, "test_liar/plain")->outcome, Outcome::wrong);
  EXPECT_FALSE(find_case(records, "test_liar/plain")->detail.empty());
  EXPECT_TRUE(is_sound(find_case(records, "test_plain/plain")));
  EXPECT_TRUE(has(ended.out, "Variant failures:\n - test_liar/plain: ")) << ended.out;
  EXPECT_NE(home.report()["specs"][0]["best"], "test_liar/plain");
}

TEST(sweep_honesty, a_kernel_that_refuses_what_its_manifest_claims_failed_to_launch) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_refuses", "#define UNSUPPORTED"}, {"test_plain"}});
  const Ended ended = home.run(home.probe(spec_line("64")));
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  const auto records = home.reported();
  ASSERT_TRUE(find_case(records, "test_refuses/plain"));
  EXPECT_EQ(find_case(records, "test_refuses/plain")->outcome, Outcome::launch_failed);
  EXPECT_TRUE(has(find_case(records, "test_refuses/plain")->detail, "though its manifest does"));
  EXPECT_TRUE(is_sound(find_case(records, "test_plain/plain")));
}

TEST(sweep_honesty, what_lost_on_some_places_is_tried_on_all_before_it_is_crowned_from_the_store) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const std::string line = "op=argmax | m=1 | n=8192 | dtA=f32";
  const Ended first = home.run(home.probe(line, {"--variant", "argmax/loop", "--variant", "argmax_blocks/lanes"}));
  ASSERT_EQ(first.exit_code, 0) << first.out << first.err;
  const std::vector<CaseRecord> both = home.reported();
  ASSERT_TRUE(find_case(both, "argmax/loop"));
  if (!find_case(both, "argmax/loop")->has_tag(kProvedInPartTag))
    GTEST_SKIP() << "too busy here for the slower one to lose";
  ASSERT_EQ(home.run(home.probe(line, {"--variant", "argmax/loop"})).exit_code, 0);
  const std::vector<CaseRecord> alone = home.reported();
  ASSERT_TRUE(find_case(alone, "argmax/loop"));
  EXPECT_FALSE(find_case(alone, "argmax/loop")->has_tag(kProvedInPartTag));
  EXPECT_NE(find_case(alone, "argmax/loop")->measured_at, 0);
  EXPECT_EQ(home.report()["cases_measured"], 1);
  EXPECT_EQ(home.report()["cases_from_store"], 0) << "what is measured anew is not from the store";
  if (find_case(alone, "argmax/loop")->has_tag(kSomeNumbersTag)) GTEST_SKIP() << "too busy here for all of them";
}

// In each visit another one is far ahead, and all visits together crown the one that always came second.
TEST(sweep_honesty, what_the_visits_together_crown_is_proved_whole_in_the_same_run) {
  const Home home;
  home.with_ceilings();
  const std::string visits = '"' + (home.folder / "visits").string() + '"';
  const std::string second = "#include <cstdio>\nstatic const int counted = [] { FILE* f = fopen(" + visits +
                             ", \"a\"); fputc('x', f); return fclose(f); }();\n#define BUSY 343\n";
  std::vector<DropIn> kernels = {{"test_second", second}};
  for (int i = 1; i <= 4; ++i)
    kernels.push_back({"test_first_in_" + std::to_string(i),
                       "#include <sys/stat.h>\nstatic int visit() { struct stat s; return stat(" + visits +
                           ", &s) == 0 ? int(s.st_size) : 0; }\n#define BUSY (visit() == " + std::to_string(i) +
                           " ? 300 : 356)\n"});
  write_drop_ins(home.kernels(), kernels);
  ASSERT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 0);
  if (home.noisy() > 0) GTEST_SKIP() << "too busy here";
  const std::string best = home.report()["specs"][0]["best"].get<std::string>();
  EXPECT_FALSE(find_case(home.stored(), best)->has_tag(kProvedInPartTag)) << best;
  const Ended again = home.run(home.probe(spec_line("64"), {"--variant", "test_*", "--dry-run"}));
  EXPECT_TRUE(has(again.out, "5 in the store, 0 to measure")) << again.out;
}

TEST(sweep_compiler, a_missing_one_fails_what_is_not_built_and_says_what_to_install) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  EXPECT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 0) << "builds what every probe needs";
  write_drop_ins(home.kernels(), {{"test_new", never_seen()}, {"test_plain"}});
  const Ended ended = home.run(home.probe(spec_line("64")), {{"ASSAY_CXX", "/nonexistent/g++"}});
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  const auto records = home.reported();
  const CaseRecord* failed = find_case(records, "test_new/plain");
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->outcome, Outcome::build_failed);
  EXPECT_TRUE(has(failed->detail, "the C++ compiler /nonexistent/g++ is missing")) << failed->detail;
  EXPECT_TRUE(has(failed->detail, "install g++")) << failed->detail;
  EXPECT_TRUE(is_sound(find_case(records, "test_plain/plain"))) << "what was built before runs without a compiler";
}

TEST(sweep_compiler, its_messages_come_with_file_and_line_and_the_other_kernels_run) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_broken", never_seen() + "int here = ;"}, {"test_plain"}});
  const Ended ended = home.run(home.probe(spec_line("64")));
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  const auto records = home.reported();
  ASSERT_TRUE(find_case(records, "test_broken/plain"));
  EXPECT_EQ(find_case(records, "test_broken/plain")->outcome, Outcome::build_failed);
  EXPECT_TRUE(has(find_case(records, "test_broken/plain")->detail, "test_broken.cpp:2:"))
      << find_case(records, "test_broken/plain")->detail;
  EXPECT_TRUE(has(ended.out, "test_broken.cpp:2:")) << ended.out;
  EXPECT_TRUE(is_sound(find_case(records, "test_plain/plain")));
}

TEST(sweep_compiler, a_hanging_one_is_killed_at_its_limit) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_new", never_seen()}});
  const fs::path compiler = write_compiler(home, "sleep 600");
  const Ended ended =
      home.run(home.probe(spec_line("64")), {{"ASSAY_CXX", compiler}, {"ASSAY_COMPILE_LIMIT_S", "0.5"}});
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  const auto records = home.reported();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome, Outcome::build_failed);
  EXPECT_TRUE(has(records[0].detail, "needed more than 0.5 s for test_new.cpp and was killed")) << records[0].detail;
  EXPECT_EQ(home.processes_left(), 0u);
}

TEST(sweep_interrupt, ctrl_c_while_compiling_ends_the_compiler_too) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_new", never_seen()}});
  const fs::path started = home.folder / "started",
                 compiler = write_compiler(home, "touch " + started.string() + "; sleep 600");
  const auto probe = home.start(home.probe(spec_line("64")), {{"ASSAY_CXX", compiler}});
  for (int i = 0; i < 6000 && !fs::exists(started); ++i) usleep(10000);
  ASSERT_TRUE(fs::exists(started)) << probe->err();
  probe->send(SIGINT);
  EXPECT_EQ(probe->wait().exit_code, 130);
  EXPECT_EQ(home.processes_left(), 0u);
  EXPECT_TRUE(home.stored().empty());
}

TEST(sweep_interrupt, ctrl_c_shows_what_is_done_keeps_it_and_leaves_no_worker) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const auto probe = home.start(home.probe(kManyLines));
  ASSERT_TRUE(probe->says("N:48")) << probe->err();
  probe->send(SIGINT);
  const Ended ended = probe->wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_EQ(home.processes_left(), 0u);
  const auto stored = home.stored();
  EXPECT_GE(stored.size(), 2u) << "the specs before the interrupted one were finished";
  EXPECT_LT(stored.size(), kManySpecs);
  EXPECT_EQ(count_of(ended.out, "   - test_plain/plain"), stored.size()) << ended.out;
  EXPECT_TRUE(has(ended.out, "Spec " + spec_line("16") + ":")) << ended.out;
  EXPECT_TRUE(home.report()["interrupted"].get<bool>());
  EXPECT_EQ(reported_number(home, "cases_measured"), int64_t(stored.size()));
}

TEST(sweep_resume, kill_9_loses_nothing_and_a_second_run_measures_only_the_rest) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const auto probe = home.start(home.probe(kManyLines));
  ASSERT_TRUE(probe->says("N:64")) << probe->err();
  probe->send(SIGKILL);
  EXPECT_EQ(probe->wait().signal, SIGKILL);
  EXPECT_EQ(home.processes_left(), 0u) << "a worker outlived its parent";
  home.settle();
  const auto kept = home.stored();
  EXPECT_GE(kept.size(), 3u);
  ASSERT_LT(kept.size(), kManySpecs);

  EXPECT_EQ(home.run(home.probe(kManyLines)).exit_code, 0);
  EXPECT_EQ(reported_number(home, "cases_from_store"), int64_t(kept.size()));
  EXPECT_EQ(reported_number(home, "cases_measured"), int64_t(kManySpecs - kept.size()));
  std::map<std::string, CaseRecord> reported;
  for (const CaseRecord& record : home.reported()) reported[record.key] = record;
  EXPECT_EQ(reported.size(), kManySpecs);
  for (const CaseRecord& record : kept) EXPECT_EQ(reported[record.key].device_us, record.device_us) << record.spec_line;
}

TEST(sweep_resume, nothing_left_to_measure_measures_nothing) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const Arguments arguments = home.probe(spec_line("16..64..16"));
  EXPECT_EQ(home.run(arguments).exit_code, 0);
  EXPECT_EQ(reported_number(home, "cases_measured"), 4);
  home.settle();
  const auto first = home.reported();
  const Ended again = home.run(arguments);
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_EQ(again.err, "") << "nothing to do, nothing to tell";
  EXPECT_EQ(reported_number(home, "cases_measured"), 0);
  EXPECT_EQ(reported_number(home, "cases_from_store"), 4);
  const Ended planned = home.run(home.probe(spec_line("16..80..16"), {"--variant", "test_*", "--dry-run"}));
  EXPECT_NE(planned.out.find("5 specs, 5 cases; 4 in the store, 1 to measure: about 1s\n"), std::string::npos)
      << planned.out << "of one spec";
  const auto second = home.reported();
  ASSERT_EQ(second.size(), first.size());
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(second[i].device_us, first[i].device_us);
}

TEST(sweep_resume, fresh_and_thorough_measure_again) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const auto measured = [&](const Arguments& more) {
    Arguments arguments{"--variant", "test_*"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(home.run(home.probe(spec_line("64"), arguments)).exit_code, 0);
    home.settle();
    return reported_number(home, "cases_measured");
  };
  EXPECT_EQ(measured({}), 1);
  EXPECT_EQ(measured({}), 0);
  EXPECT_EQ(measured({"--fresh"}), 1);
  EXPECT_EQ(measured({"--thorough"}), 1) << "what a default run kept is not thorough";
  EXPECT_EQ(measured({"--thorough"}), 0);
  EXPECT_EQ(measured({}), 0) << "a thorough result is more than enough";
}

TEST(sweep_resume, what_was_too_noisy_to_rank_is_measured_again_as_its_message_asks) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_other"}});
  EXPECT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 0);
  home.settle();
  Database(home.store(), Database::Open::existing)
      .execute("UPDATE cases SET outcome = 'noisy' WHERE variant = 'test_other/plain'");
  EXPECT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 0);
  EXPECT_EQ(reported_number(home, "cases_measured"), 1);
  EXPECT_EQ(reported_number(home, "cases_from_store"), 1);
  EXPECT_TRUE(is_sound(find_case(home.reported(), "test_other/plain")));
}

TEST(sweep_identity, editing_one_kernel_measures_that_one_alone_again) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_other"}});
  EXPECT_EQ(home.run(home.probe(spec_line("32..64..32"))).exit_code, 0);
  EXPECT_EQ(reported_number(home, "cases_measured"), 4);
  home.settle();
  const auto before = home.reported();
  write_file(home.kernels() / "test_other.cpp", drop_in_source({"test_other"}) + "// edited\n");
  EXPECT_EQ(home.run(home.probe(spec_line("32..64..32"))).exit_code, 0);
  EXPECT_EQ(reported_number(home, "cases_measured"), 2);
  EXPECT_EQ(reported_number(home, "cases_from_store"), 2);
  std::map<std::pair<std::string, std::string>, CaseRecord> after;
  for (const CaseRecord& record : home.reported()) after[{record.spec_line, record.variant}] = record;
  for (const CaseRecord& old : before) {
    const CaseRecord& now = after[{old.spec_line, old.variant}];
    const bool edited = old.variant == "test_other/plain";
    EXPECT_EQ(now.key != old.key, edited) << old.variant;
    EXPECT_EQ(now.device_us != old.device_us, edited) << old.variant;
  }
  home.settle();
  write_file(home.kernels() / "test_other.cpp", drop_in_source({"test_other"}));
  EXPECT_EQ(home.run(home.probe(spec_line("32..64..32"))).exit_code, 0);
  EXPECT_EQ(reported_number(home, "cases_measured"), 0) << "the old source's results are still there";
}

TEST(sweep_sharing, two_probes_on_one_store_both_finish_and_measure_no_case_twice) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_other"}});
  Arguments first = home.probe(spec_line("16..48..16")), second = first;
  for (std::string& argument : second)
    if (argument == (home.folder / "report.json").string()) argument = home.folder / "second.json";
  const auto a = home.start(first), b = home.start(second);
  EXPECT_EQ(a->wait().exit_code, 0);
  EXPECT_EQ(b->wait().exit_code, 0);
  Database store(home.store(), Database::Open::existing);
  EXPECT_EQ(store.integer("SELECT count(DISTINCT key) FROM cases"), 6);
  // Whoever comes second measures again what the first left noisy, and nothing else.
  const int64_t noisy = store.integer("SELECT count(DISTINCT key) FROM cases WHERE outcome = 'noisy'");
  const int64_t measured =
      home.report()["cases_measured"].get<int64_t>() + home.report("second.json")["cases_measured"].get<int64_t>();
  EXPECT_GE(measured, 6);
  EXPECT_LE(measured, 6 + noisy);
  EXPECT_LE(store.integer("SELECT count(*) FROM cases"), 4 * measured)
      << "one record a visit, four visits by whoever measured";
  EXPECT_EQ(home.reported().size(), 6u);
  EXPECT_EQ(home.reported("second.json").size(), 6u) << "each shows what the other measured as well";
  EXPECT_EQ(store.integer("SELECT count(DISTINCT device_key) FROM ceilings"), 2) << "the ceilings, and who reads best";
}

TEST(sweep_sharing, a_probe_waits_for_another_ones_turn_and_says_so) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  MeasuringLock lock("cpu:0");
  ASSERT_TRUE(lock.acquire({}));
  const auto interrupted = home.start(home.probe(spec_line("32")));
  ASSERT_TRUE(interrupted->says("waiting for its turn")) << interrupted->err();
  interrupted->send(SIGINT);
  EXPECT_EQ(interrupted->wait().exit_code, 130);
  const auto patient = home.start(home.probe(spec_line("64")));
  ASSERT_TRUE(patient->says("waiting for its turn")) << patient->err();
  EXPECT_TRUE(home.stored().empty());
  lock.release();
  EXPECT_EQ(patient->wait().exit_code, 0);
  EXPECT_EQ(home.stored().size(), 1u);
}

}  // namespace
}  // namespace assay
