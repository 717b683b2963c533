// The real program from the outside: help, what a wrong word or a bad file gets, plans, and the reports that it writes.
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "base/terminal.h"
#include "refusals.h"
#include "store/database.h"

namespace assay {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// ASSAY_UPDATE_GOLDEN=1 writes the file anew, to be read in the diff.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string file = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(file, text);
  EXPECT_EQ(text, read_file(file)) << file << ": ASSAY_UPDATE_GOLDEN=1 writes it anew";
}

std::string help_of(const Arguments& arguments) {
  const Ended ended = Home().run(arguments, {{"XDG_STATE_HOME", "/state"}});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.err, "");
  return ended.out;
}

TEST(cli_help, main_help_matches_its_golden_however_it_is_asked_for) {
  const std::string help = help_of({"help"});
  expect_golden("help.txt", help);
  EXPECT_EQ(help_of({}), help);
  EXPECT_EQ(help_of({"--help"}), help);
}

TEST(cli_help, help_of_probe_matches_its_golden_however_it_is_asked_for) {
  const std::string help = help_of({"help", "probe"});
  expect_golden("help_probe.txt", help);
  EXPECT_EQ(help_of({"probe", "--help"}), help);
}

TEST(cli_help, every_subcommand_explains_itself) {
  for (const std::string command : {"probe", "devices", "selftest", "compare", "analyze", "audit", "inspect", "specs",
                                    "export", "tune", "replay", "store", "table", "synth", "tokenize"}) {
    const std::string help = help_of({"help", command});
    EXPECT_TRUE(has(help, "assay " + command + " [OPTIONS]")) << command;
    for (std::istringstream lines(help); !lines.eof();) {
      std::string line;
      std::getline(lines, line);
      EXPECT_LE(display_width(line), 120u) << command << ": " << line;
    }
  }
}

TEST(cli_words, an_unknown_word_is_one_line_with_near_names_and_exit_2) {
  const Home home;
  write_drop_ins(home.kernels(), {{"test_plain"}});
  expect_refused(home, {"prob"}, {"prob", "did you mean probe?", "(assay help lists"});
  expect_refused(home, {"prob", "--dry-run"}, {"prob", "did you mean probe?", "(assay help lists"});
  expect_refused(home, {"audit", home.folder}, {"give a probe log"});
  expect_refused(home, {"probe", "--dry-run", "--build-only"}, {"--dry-run builds nothing", "one of the two"});
  expect_refused(home, {"help", "prob"}, {"no subcommand prob", "did you mean probe?"});
  expect_refused(home, {"probe", "--shap", "n=64"}, {"--shap", "did you mean --shape", "assay help probe"});
  expect_refused(home, {"report", "--ot", "x.html"}, {"--ot", "did you mean --out"});
  expect_refused(home, {"run", "--tabel", "x"}, {"--tabel", "did you mean --table"});
  expect_refused(home, {"probe", "--jsn=x"}, {"--jsn", "did you mean --json"});
  expect_refused(home, {"devices", "--quick"}, {"--quick", "assay help devices"});
  expect_refused(home, {"compare", "one"}, {"after is required"});
  const Ended without_model = home.run({"run"});
  EXPECT_TRUE(has(without_model.err, "MODEL is required")) << without_model.err;
  EXPECT_FALSE(has(without_model.err, "did you mean")) << "no word was mistyped: " << without_model.err;
  expect_refused(home, {"probe", "--device", "cpu:7"}, {"--device cpu:7", "did you mean cpu:0?"});
  expect_refused(home, {"probe", "--mode", "decod"}, {"--mode decod", "decode, cold, hot, batched or chained"});
  expect_refused(home, {"probe", "--threads", "100000"}, {"--threads 100000", "cpu:0 has 1 to"});
  expect_refused(home, {"probe", "--workload", "qwen2.5-0.5b-f61"}, {"did you mean qwen2.5-0.5b-f16"});
  expect_refused(home, {"probe", "--shape", "n=7"}, {"no spec matches --shape n=7"});
  expect_refused(home, {"probe", "--shape", "nn=7"}, {"no field \"nn\"", "batch, m, n, k"});
  expect_refused(home, {"probe", "--shape", "n=seven"}, {"\"seven\" is not a number"});
  expect_refused(home, {"probe", "--op", "matmull"}, {"--op matmull", "did you mean matmul"});
  expect_refused(home, {"probe", "--dtype", "f17"}, {"--dtype f17", "did you mean f16"});
  expect_refused(home, {"probe", "--dtype", "q2_k", "--spec", "op=matmul | batch=1 | m=1 | n=64 | k=64 | tA=0 | tB=1"},
                 {"--dtype q2_k", "q4_k"});
  expect_refused(home, {"probe", "--kernels", home.kernels(), "--variant", "test_plan/*"},
                 {"--variant test_plan/*", "did you mean test_plain/* or test_plain/plain?"});
  expect_refused(home, {"probe", "--kernels", home.folder / "absent"}, {"absent"});
  expect_refused(home, {"probe", "--specs", home.folder / "absent.json"}, {"absent.json"});
  expect_refused(home, {"compare", home.folder / "a", home.folder / "b"}, {"/a", "No such file"});
}

TEST(cli_spec, a_line_that_is_not_a_whole_spec_is_refused_by_its_field) {
  const Home home;
  const std::string line = spec_line("64");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = line;
    return text.replace(text.find(from), from.size(), to);
  };
  expect_refused(home, {"probe", "--spec", changed("n=64 | ", "")}, {"field n is missing"});
  expect_refused(home, {"probe", "--spec", changed("dtB=f32", "dtB=?")}, {"field dtB"});
  expect_refused(home, {"probe", "--spec", changed(" | dtA=f32", "")}, {"field dtA is missing"});
  expect_refused(home, {"probe", "--spec", changed("tB=1", "tB=1 | aplha=1")},
                 {"field aplha=1 is unknown", "did you mean alpha"});
  expect_refused(home, {"probe", "--spec", changed("op=matmul", "op=matmil")}, {"field op=matmil"});
  expect_refused(home, {"probe", "--spec", changed("k=64", "k=0")}, {"field k=0"});
  expect_refused(home, {"probe", "--spec", changed("k=64", "k=-64")}, {"field k=-64"});
  expect_refused(home, {"probe", "--spec", changed("k=64", "k=64 | k=64")}, {"field k stands twice"});
  expect_refused(home, {"probe", "--spec", changed("n=64", "n=99999999999999999999")},
                 {"field n=99999999999999999999"});
  expect_refused(home, {"probe", "--spec", changed("n=64 | k=64", "n=9223372036854775807 | k=9223372036854775807")},
                 {"n=9223372036854775807"});
  expect_refused(home, {"probe", "--spec", changed("n=64", "n=96..16")}, {"n=96..16", "ends before it begins"});
  expect_refused(home, {"probe", "--spec", changed("n=64", "n=1..99999999")}, {"larger step"});
  expect_refused(home, {"probe", "--spec", ""}, {"empty field"});
}

TEST(cli_spec, what_no_memory_holds_is_a_device_limit_and_measures_nothing) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const Ended ended = home.run(home.probe(spec_line("1000000", "8000000")));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const auto records = home.reported();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].outcome, Outcome::device_limit);
  EXPECT_TRUE(has(records[0].detail, "MB of memory")) << records[0].detail;
  EXPECT_TRUE(records[0].device_us.empty());
}

TEST(cli_spec, a_broken_workload_file_is_refused_with_its_name) {
  const Home home;
  const fs::path file = home.folder / "mine.json";
  write_file(file, "{\"name\": \"mine\",");
  expect_refused(home, {"probe", "--specs", file}, {"mine.json"});
  write_file(file, "{\"nmae\": \"mine\"}");
  expect_refused(home, {"probe", "--specs", file}, {"mine.json", "nmae"});
}

TEST(cli_manifest, an_unknown_key_or_an_id_that_exists_is_refused_with_file_and_place) {
  const Home home;
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const fs::path manifest = home.kernels() / "manifest.json";
  const std::string good = read_file(manifest);
  std::string text = good;
  write_file(manifest, text.replace(text.find("\"technique\""), 11, "\"tecnique\""));
  expect_refused(home, home.probe(spec_line("64")), {manifest, "/families/0", "tecnique", "did you mean technique?"});
  write_file(manifest, good);
  Arguments twice = home.probe(spec_line("64"));
  fs::copy(home.kernels(), home.folder / "again", fs::copy_options::recursive);
  twice.insert(twice.end(), {"--kernels", home.folder / "again"});
  expect_refused(home, twice, {"test_plain/plain is already in"});
}

TEST(cli_plan, dry_run_measures_nothing_and_counts_what_it_skips) {
  const Home home;
  write_drop_ins(home.kernels(),
                 {{"test_plain"}, {"test_other", "", "nn"}, {"test_off", "", "nt", "only for this test"}});
  Arguments arguments = home.probe(spec_line("16..48..16"));
  arguments.push_back("--dry-run");
  const Ended ended = home.run(arguments);
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "Spec " + spec_line("32") + ":\n   - test_plain/plain (")) << ended.out;
  EXPECT_TRUE(has(ended.out, "test_other/plain: matmul skipped 3 (unsupported: ")) << ended.out;
  EXPECT_TRUE(has(ended.out, "test_off/plain: matmul skipped 3 (disabled: only for this test)")) << ended.out;
  EXPECT_TRUE(has(ended.out, "3 specs, 3 cases; 0 in the store, 3 to measure: about ")) << ended.out;
  EXPECT_FALSE(fs::exists(home.store()));
  EXPECT_FALSE(fs::exists(home.folder / "report.json"));
}

TEST(cli_plan, build_only_compiles_keeps_no_result_and_says_what_does_not_compile) {
  const Home home;
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_broken", "#error this one does not compile\n"}});
  Arguments arguments = home.probe(spec_line("16"));
  arguments.push_back("--build-only");
  const Ended ended = home.run(arguments);
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  EXPECT_TRUE(has(ended.out, "test_broken/plain: ")) << ended.out;
  EXPECT_TRUE(has(ended.out, "this one does not compile")) << ended.out;
  EXPECT_FALSE(has(ended.out, "test_plain")) << ended.out;
  EXPECT_FALSE(fs::exists(home.store()));
}

TEST(cli_plan, a_disabled_variant_runs_when_named_in_full_and_not_by_a_glob) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_off", "", "nt", "only for this test"}});
  EXPECT_EQ(home.run(home.probe(spec_line("64"))).exit_code, 0);
  EXPECT_TRUE(is_sound(find_case(home.reported(), "test_plain/plain")));
  EXPECT_FALSE(find_case(home.reported(), "test_off/plain"));
  const Json skips = home.report()["skips"];
  size_t told = 0;
  for (const Json& skip : skips)
    told +=
        skip["variant"] == "test_off/plain" && skip["reason"] == "disabled: only for this test" && skip["count"] == 1;
  EXPECT_EQ(told, 1u) << skips;
  EXPECT_EQ(home.run(home.probe(spec_line("64"), {"--variant", "test_off/plain"})).exit_code, 0);
  EXPECT_TRUE(is_sound(find_case(home.reported(), "test_off/plain")));
  EXPECT_FALSE(find_case(home.reported(), "test_plain/plain"));
}

TEST(cli_report, progress_goes_to_stderr_and_results_to_stdout_without_escapes) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const Ended ended = home.run(home.probe(spec_line("64")));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.err, "Running: plain [test_plain] - M:1 N:64 K:64 | 1/1")) << ended.err;
  EXPECT_FALSE(has(ended.out, "Running:")) << ended.out;
  EXPECT_TRUE(has(ended.out, "Spec " + spec_line("64") + ":\n   - test_plain/plain")) << ended.out;
  EXPECT_FALSE(has(ended.out + ended.err, "\x1b")) << "colour or cursor escapes although nobody sees a terminal";
  EXPECT_FALSE(has(ended.err, "\r"));
}

TEST(cli_report, quiet_says_nothing_on_stderr) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  EXPECT_EQ(home.run(home.probe(spec_line("64"), {"--variant", "test_*", "--quiet"})).err, "");
}

TEST(cli_report, csv_and_markdown_hold_every_case_and_a_dash_replaces_the_text) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_other"}});
  const fs::path csv = home.folder / "r.csv", markdown = home.folder / "r.md";
  const Ended ended =
      home.run(home.probe(spec_line("32..64..32"), {"--variant", "test_*", "--csv", csv, "--markdown", markdown}));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "Matmul benchmark summary"));
  EXPECT_EQ(count_of(read_file(csv), "\r\n"), 5u) << "a header and four cases\n" << read_file(csv);
  for (const std::string name : {"test_plain/plain", "test_other/plain"}) {
    EXPECT_EQ(count_of(read_file(csv), name), 2u);
    EXPECT_GE(count_of(read_file(markdown), name), 2u);
  }
  const Ended dash = home.run(home.probe(spec_line("32..64..32"), {"--variant", "test_*", "--csv", "-"}));
  EXPECT_EQ(first_line(dash.out), first_line(read_file(csv)));
  EXPECT_EQ(count_of(dash.out, "\r\n"), 5u) << dash.out;
}

TEST(cli_report, one_that_cannot_be_written_after_all_is_an_error_when_the_results_are_shown_and_kept) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const Ended ended = home.run(home.probe(spec_line("64"), {"--variant", "test_*", "--csv", "/dev/full"}));
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "assay: /dev/full: cannot be written (No space left on device)")) << ended.err;
  EXPECT_TRUE(has(ended.out, "   - test_plain/plain")) << ended.out;
  EXPECT_EQ(home.stored().size(), 1u);
  EXPECT_EQ(home.reported().size(), 1u) << "the other report";
}

TEST(cli_compare, a_report_is_the_same_as_itself_and_as_its_store) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}, {"test_other"}});
  home.run(home.probe(spec_line("32..64..32")));
  home.settle();
  home.run(home.probe(spec_line("32..64..32")));
  const fs::path json = home.folder / "report.json";
  for (const auto& [before, after] :
       std::vector<std::pair<fs::path, fs::path>>{{json, json}, {home.store(), json}, {home.store(), home.store()}}) {
    const Ended ended = home.run({"compare", before, after});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_TRUE(has(ended.out, "Compared 4 cases (threshold 3.0%): SAME ")) << ended.out;
    // A case that a busy machine left few turns is UNSURE even beside itself.
    EXPECT_TRUE(has(ended.out, ", FASTER 0, SLOWER 0, UNSURE ")) << ended.out;
    EXPECT_FALSE(has(ended.out, "ABSENT")) << ended.out;
  }
}

TEST(cli_compare, a_kernel_that_became_slow_exits_1_and_is_named) {
  const Home home;
  home.with_ceilings();
  const fs::path before = home.folder / "before.json";
  // The report with every case passed, as on a quiet machine.
  const auto report_settled = [&](const std::string& defines, const Arguments& more) {
    write_drop_ins(home.kernels(), {{"test_plain"}, {"test_other", defines}});
    home.run(home.probe(spec_line("64"), more));
    home.settle();
    home.run(home.probe(spec_line("64")));
  };
  Ended ended;
  for (int attempt = 0; attempt < 5 && ended.exit_code != 1;
       ++attempt) {  // a busy machine may leave too few turns to be sure
    report_settled("", {"--variant", "test_*", "--fresh"});
    fs::copy_file(home.folder / "report.json", before, fs::copy_options::overwrite_existing);
    report_settled(fmt::format("#define BUSY {}", 2000 + attempt), {"--variant", "test_*"});
    ended = home.run({"compare", before, home.folder / "report.json"});
  }
  EXPECT_EQ(ended.exit_code, 1) << ended.out;
  EXPECT_TRUE(has(ended.out, "Regressions:")) << ended.out;
  EXPECT_TRUE(has(ended.out, "SLOWER: " + spec_line("64") + " @ test_other/plain: ")) << ended.out;
  EXPECT_FALSE(has(ended.out, "@ test_plain/plain")) << ended.out;
}

TEST(cli_compare, what_is_neither_store_nor_report_is_refused) {
  const Home home;
  const fs::path file = home.folder / "x.json";
  write_file(file, "{\"schema\": \"something\"}");
  expect_refused(home, {"compare", file, file}, {"x.json", "not a report of assay"});
  write_file(file, "some text");
  expect_refused(home, {"compare", file, file}, {"x.json"});
  EXPECT_EQ(read_file(file), "some text") << "compare must not move what it reads";
}

TEST(cli_store, a_place_that_cannot_be_written_is_refused_also_for_root) {
  const Home home;
  write_drop_ins(home.kernels(), {{"test_plain"}});
  write_file(home.folder / "file", "text");
  const auto refused = [&](const fs::path& store, const std::string& part) {
    expect_refused(home, home.probe(spec_line("64"), {"--variant", "test_*", "--store", store}),
                   {part, "--store FILE"});
  };
  refused(home.folder / "file/below/r.sqlite", "file");
  refused("/proc/assay/r.sqlite", "/proc/assay");
  refused("/proc/r.sqlite", "/proc/r.sqlite");
  refused(home.folder, home.folder);
}

TEST(cli_store, a_folder_without_permission_is_refused) {
  Home home;
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const fs::path closed = home.folder / "closed";
  fs::create_directory(closed);
  chmod(closed.c_str(), 0555);
  if (const std::string why = home.drop_privileges(); !why.empty()) GTEST_SKIP() << why;
  expect_refused(home, home.probe(spec_line("64"), {"--variant", "test_*", "--store", closed / "r.sqlite"}),
                 {"closed", "--store FILE"});
}

TEST(cli_store, a_corrupt_store_is_moved_aside_with_a_message_and_measuring_goes_on) {
  const Home home;
  write_drop_ins(home.kernels(), {{"test_plain"}});
  home.with_ceilings();
  std::string garbage = read_file(home.store());
  std::fill_n(garbage.begin() + 100, 400, 'x');
  write_file(home.store(), garbage);
  const Ended ended = home.run(home.probe(spec_line("64")));
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  const std::string aside = home.store().string() + ".corrupt-1";
  EXPECT_TRUE(has(ended.err, "the store is damaged")) << ended.err;
  EXPECT_TRUE(has(ended.err, "moved to " + aside)) << ended.err;
  EXPECT_EQ(read_file(aside), garbage);
  EXPECT_EQ(home.stored().size(), 1u);
}

TEST(cli_store, a_store_of_a_newer_schema_is_refused_and_left_alone) {
  const Home home;
  home.with_ceilings();
  write_drop_ins(home.kernels(), {{"test_plain"}});
  Database(home.store(), Database::Open::existing).execute("PRAGMA journal_mode = DELETE; PRAGMA user_version = 99");
  const std::string before = read_file(home.store());
  expect_refused(home, home.probe(spec_line("64")), {home.store(), "newer assay (schema 99)"});
  expect_refused(home, {"compare", home.store(), home.store()}, {"newer assay (schema 99)"});
  EXPECT_EQ(read_file(home.store()), before);
}

TEST(cli_store, on_a_full_disk_what_is_done_stays_and_is_shown) {
  const Home home;
  const fs::path disk = home.folder / "disk";
  fs::create_directory(disk);
  if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=320k") != 0)
    GTEST_SKIP() << "a small disk needs a mount, which is not allowed here: " << std::strerror(errno);
  home.copy_ceilings_to(disk / "r.sqlite");
  constexpr uint64_t kLeft = 144 << 10;  // a handful of results
  write_file(disk / "ballast", std::string(fs::space(disk).available - kLeft, 'x'));
  write_drop_ins(home.kernels(), {{"test_plain"}});
  const Arguments arguments =
      home.probe(spec_line("16..256..8"), {"--variant", "test_*", "--store", disk / "r.sqlite"});
  const Ended full = home.run(arguments);
  EXPECT_EQ(full.exit_code, 2);
  EXPECT_TRUE(has(full.err, "assay: " + (disk / "r.sqlite").string() + ": the disk is full")) << full.err;
  EXPECT_TRUE(has(full.out, "Matmul benchmark summary")) << full.out;
  EXPECT_EQ(home.processes_left(), 0u);
  const auto kept = Store(disk / "r.sqlite", Store::Access::read_only).newest_of_each_key();
  EXPECT_GE(kept.size(), 1u);
  EXPECT_LT(kept.size(), 31u);
  EXPECT_EQ(count_of(full.out, "   - test_plain/plain"), kept.size()) << "shown is what was stored\n" << full.out;
  EXPECT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  home.settle(disk / "r.sqlite");
  Arguments fewer =
      home.probe(spec_line("16..256..8"), {"--variant", "test_*", "--dry-run", "--store", disk / "r.sqlite"});
  const auto settled = Store(disk / "r.sqlite", Store::Access::read_only).newest_of_each_key();
  const auto enough = std::count_if(settled.begin(), settled.end(), [](const CaseRecord& record) {
    return record.outcome == Outcome::pass && !record.has_tag(kProvedInPartTag);
  });
  EXPECT_GE(enough, 1);
  const Ended again = home.run(fewer);
  EXPECT_TRUE(has(again.out, fmt::format("; {} in the store", enough))) << "what was done is found again\n"
                                                                        << again.out;
  umount2(disk.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace assay
