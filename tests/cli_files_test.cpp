// Laws of files on the command line: no output destroys an input, a store or another output, however they are named.
#include "base/file_identity.h"
#include "refusals.h"
#include "trace_lines.h"

namespace assay {
namespace {

constexpr const char* kSeedLog =
    "Spec op=matmul | batch=1 | m=1 | n=64 | k=64 | tA=0 | tB=1:\n"
    "   - a/x [best-gpu] [best-cpu]: avg_gpu=0.162ms | avg_cpu=0.402ms maxAbs=1.5522e-02 maxRel=4.7867e-04\n";

class cli_files : public testing::Test {
 protected:
  cli_files() {
    write_file(at("trace"), gpu_line("a", "1"));
    write_file(at("log"), kSeedLog);
    fs::create_symlink("trace", at("link"));
    fs::create_hard_link(at("trace"), at("hard"));
    fs::create_symlink("new", at("dangling"));
    fs::create_directory(at("folder"));
    fs::create_directory_symlink("folder", at("folder_link"));
  }
  fs::path at(const std::string& name) const { return home_.folder / name; }

  /// Every file below the home and what is in it.
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(home_.folder)) {
      const std::string name = entry.path().string();
      if (!has(name, "/run") && !has(name, "/shell") && entry.is_regular_file()) all[name] = read_file(entry.path());
    }
    return all;
  }
  void expect_refused_and_nothing_changed(const Arguments& arguments, const std::vector<std::string>& parts) const {
    const auto before = contents();
    expect_refused(home_, arguments, parts);
    EXPECT_EQ(contents(), before);
  }

  Home home_;
};

TEST_F(cli_files, an_output_that_is_an_input_is_refused_by_whatever_name) {
  const fs::path trace = at("trace"), log = at("log");
  for (const fs::path& name : {trace, at("./trace"), at("folder/../trace"), at("link"), at("hard"),
                               at("folder_link/../trace"), at("not_there_yet/../trace")})
    for (const std::string option : {"--json", "--csv", "--markdown", "--specs-out"})
      expect_refused_and_nothing_changed(
          {"analyze", "--dtype", "f16", option, name, trace},
          {option + " " + name.string(), "is the same file as TRACE " + trace.string(), "which is read"});
  expect_refused_and_nothing_changed({"analyze", "--format", "json=" + trace.string(), trace},
                                     {"--format json=", "TRACE"});
  expect_refused_and_nothing_changed({"analyze", "--csv", log, "--diff", log, trace}, {"--csv", "--diff"});
  expect_refused_and_nothing_changed({"audit", "--csv", log, log}, {"--csv", "LOG"});
  expect_refused_and_nothing_changed({"compare", "--json", log, log, trace}, {"--json", "before"});
  expect_refused_and_nothing_changed({"compare", "--format", "junit=" + trace.string(), log, trace},
                                     {"--format junit=", "after"});
  expect_refused_and_nothing_changed({"probe", "--specs", log, "--json", log}, {"--json", "--specs"});
  expect_refused_and_nothing_changed({"probe", "--from", trace, "--markdown", at("hard")}, {"--markdown", "--from"});
}

TEST_F(cli_files, an_output_over_a_kernel_or_a_shipped_file_is_refused) {
  write_drop_ins(home_.kernels(), {{"test_plain"}});
  for (const std::string name : {"manifest.json", "test_plain.cpp"})
    expect_refused_and_nothing_changed(
        {"probe", "--kernels", home_.kernels(), "--json", home_.kernels() / name, "--dry-run"},
        {"--json", "--kernels"});
  const fs::path source = ASSAY_SOURCE_DIR;
  for (const fs::path& file : {source / "specs/qwen2.5-0.5b-f16.json", source / "kernels/cpu/manifest.json"}) {
    const std::string before = read_file(file);
    expect_refused(home_, {"probe", "--json", file, "--dry-run"}, {"--json", "shipped"});
    EXPECT_EQ(read_file(file), before);
  }
  const Ended beside =
      home_.run({"probe", "--kernels", home_.kernels(), "--json", home_.kernels() / "r.json", "--dry-run"});
  EXPECT_EQ(beside.exit_code, 0) << "a report may lie beside kernels\n" << beside.err;
}

TEST_F(cli_files, two_outputs_into_one_file_are_refused_also_where_it_does_not_exist_yet) {
  const fs::path trace = at("trace"), fresh = at("new");
  for (const fs::path& name : {fresh, at("./new"), at("dangling"), at("folder/../new"), at("folder_link/../new")})
    expect_refused_and_nothing_changed({"analyze", "--json", fresh, "--csv", name, trace},
                                       {"--json", "--csv", "is written, too"});
  expect_refused_and_nothing_changed({"analyze", "--json", at("folder/x"), "--csv", at("folder_link/x"), trace},
                                     {"same file"});
  expect_refused_and_nothing_changed({"analyze", "--json", fresh, "--csv", fresh / "below", trace},
                                     {"folder of the other"});
  expect_refused_and_nothing_changed(
      {"audit", "--format", "csv=" + fresh.string(), "--format", "json=" + fresh.string(), at("log")}, {"same file"});
  expect_refused_and_nothing_changed(
      {"analyze", "--dtype", "f16", "--specs-out", fresh, "--format", "text=" + fresh.string(), trace}, {"same file"});
  EXPECT_EQ(home_.run({"analyze", "--json", "/dev/null", "--csv", "/dev/null", trace}).exit_code, 0)
      << "nothing is lost there";
}

TEST_F(cli_files, standard_output_is_one_place_by_every_name_of_it) {
  const fs::path trace = at("trace");
  for (const std::string name : {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
    expect_refused_and_nothing_changed({"analyze", "--json", "-", "--csv", name, trace},
                                       {"--json -", "--csv " + name, "standard output"});
    EXPECT_EQ(home_.run({"analyze", "--json", name, trace}).out.substr(0, 1), "{")
        << name << " takes the place of the text";
  }
  expect_refused_and_nothing_changed({"audit", "--format", "json", "--format", "csv", at("log")},
                                     {"only one can go to standard output"});
}

TEST_F(cli_files, a_file_that_the_shell_opened_is_known_as_well) {
  const auto refused = [&](const std::string& line, const std::string& part) {
    const auto before = contents();
    const Ended ended = run_in_shell(home_, line);
    EXPECT_EQ(ended.exit_code, 2) << line;
    EXPECT_TRUE(has(ended.err, part)) << line << "\n" << ended.err;
    EXPECT_EQ(contents(), before) << line;
  };
  refused("$ASSAY audit --csv log - < log", "standard input");
  refused("$ASSAY analyze trace --json out.json >> trace", "standard output is the same file as TRACE trace");
  refused("touch both; $ASSAY analyze trace --json both >> both; code=$?; rm both; exit $code", "standard output");
}

TEST_F(cli_files, an_output_over_the_store_or_its_logs_is_refused) {
  { const Store made(home_.store()); }
  for (const std::string suffix : {"", "-wal", "-shm", "-journal"})
    expect_refused_and_nothing_changed({"probe", "--json", home_.store().string() + suffix, "--dry-run"},
                                       {"--json", "keeps results"});
  expect_refused_and_nothing_changed({"probe", "--store", at("s/r"), "--json", at("s"), "--dry-run"},
                                     {"folder of the other"});
  expect_refused_and_nothing_changed({"devices", "--list", "--store", at("new"), "--csv", at("dangling")},
                                     {"--csv", "--store"});
  expect_refused_and_nothing_changed({"analyze", "--ceiling", "cpu:0", "--json", home_.store(), at("trace")},
                                     {"keeps results"});
}

TEST_F(cli_files, a_store_that_never_was_one_is_refused_and_stays) {
  write_file(at("data.csv"), "name,us\r\nx,1\r\n");
  write_file(at("empty"), "");
  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  const auto refused = [&](const std::string& store, const std::string& part) {
    expect_refused_and_nothing_changed({"probe", "--spec", spec_line("64"), "--store", store}, {part});
  };
  refused(at("data.csv"), "not an assay store");
  refused(at("empty"), "not an assay store");
  refused(at("pipe"), "not a file");
  refused(at("folder"), "not a file");
  refused("/dev/null", "not a file");
  refused("", "empty name");
  refused(":memory:", "keeps nothing");
  expect_refused_and_nothing_changed({"devices", "--store", at("data.csv")}, {"not an assay store"});
}

TEST_F(cli_files, an_output_that_cannot_be_written_is_told_before_anything_is_measured) {
  write_drop_ins(home_.kernels(), {{"test_plain"}});
  for (const std::string& place :
       {std::string("/proc/absent/r"), (at("trace") / "below").string(), at("folder").string(), std::string("")})
    for (const std::string option : {"--json", "--csv", "--markdown"})
      expect_refused_and_nothing_changed(
          {"probe", "--kernels", home_.kernels(), "--variant", "test_*", "--spec", spec_line("64"), option, place},
          {option});
  EXPECT_FALSE(fs::exists(home_.store()));
}

TEST_F(cli_files, an_option_in_the_place_of_a_name_is_no_file) {
  expect_refused_and_nothing_changed({"probe", "--csv", "--dry-run"}, {"--csv: --dry-run looks like an option"});
  expect_refused_and_nothing_changed({"analyze", "--json=", "--classic", at("trace")},
                                     {"--json: --classic looks like"});
  expect_refused_and_nothing_changed({"compare", "a\nb", at("trace")}, {"a b: cannot be read"});
}

TEST_F(cli_files, an_output_replaces_what_a_link_points_to_and_keeps_the_mode) {
  write_file(at("target"), "old");
  chmod(at("target").c_str(), 0640);
  fs::create_symlink("target", at("to_target"));
  EXPECT_EQ(home_.run({"analyze", "--json", at("to_target"), "--csv", at("dangling"), at("trace")}).exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(at("to_target")) && fs::is_symlink(at("dangling")));
  EXPECT_EQ(read_file(at("target")).substr(0, 1), "{");
  EXPECT_EQ(file_identity(at("target")).mode & 0777, 0640u);
  EXPECT_EQ(read_file(at("new")).substr(0, 5), "trace");
}

TEST_F(cli_files, an_input_that_is_no_regular_file_is_refused_and_nothing_waits) {
  const fs::path pipe = at("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  fs::create_directory(at("kernels"));
  fs::create_symlink(pipe, at("kernels/manifest.json"));
  for (const std::string& file : {pipe.string(), at("folder").string(), std::string("/dev/zero")}) {
    expect_refused(home_, {"analyze", file}, {file, "a regular file is wanted"});
    expect_refused(home_, {"analyze", "--diff", file, at("trace")}, {file, "a regular file is wanted"});
    expect_refused(home_, {"audit", file}, {file, "a regular file is wanted"});
    expect_refused(home_, {"compare", file, file}, {file, "a regular file is wanted"});
    expect_refused(home_, {"probe", "--specs", file}, {file, "a regular file is wanted"});
    expect_refused(home_, {"probe", "--from", file}, {file, "a regular file is wanted"});
  }
  expect_refused(home_, {"probe", "--kernels", at("kernels"), "--dry-run"},
                 {"manifest.json", "is a named pipe; a regular file is wanted"});
}

TEST_F(cli_files, a_pipe_that_the_shell_opened_can_be_read) {
  const std::string whole = home_.run({"analyze", "--csv", "-", at("trace")}).out;
  const Ended piped = run_in_shell(home_, "$ASSAY analyze --csv - <(cat trace)");
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_EQ(count_of(piped.out, "\r\n"), count_of(whole, "\r\n"));
  EXPECT_EQ(run_in_shell(home_, "cat log | $ASSAY audit -").exit_code, 0);
  EXPECT_EQ(run_in_shell(home_, "$ASSAY audit --csv >(cat > copy) log > text; sleep 0.2; test -s copy").exit_code, 0);
}

}  // namespace
}  // namespace assay
