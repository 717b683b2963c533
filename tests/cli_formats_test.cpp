// Laws of --format: one option for all subcommands, short forms that mean the same, and comparisons that a gate can
// trust.
#include "refusals.h"
#include "text_lines.h"
#include "trace_lines.h"

namespace assay {
namespace {

class cli_formats : public testing::Test {
 protected:
  cli_formats() {
    write_file(at("trace"), gpu_line("a", "1") + gpu_line("b", "2"));
    write_file(at("log"),
               "Spec op=matmul | batch=1 | m=1 | n=64 | k=64 | tA=0 | tB=1:\n"
               "   - a/x [best-gpu]: avg_gpu=0.162ms | avg_cpu=0.402ms maxAbs=1e-02 maxRel=4e-04\n");
    store_of("a.sqlite", {{"v/x", 100}, {"v/y", 100}});
    store_of("b.sqlite", {{"v/x", 130}, {"v/z", 100}});
    store_of("c.sqlite", {{"w/x", 100}});
    store_of("none.sqlite", {});
  }
  fs::path at(const std::string& name) const { return home_.folder / name; }

  void store_of(const std::string& name, const std::vector<std::pair<std::string, double>>& variants) const {
    Store store(at(name));
    for (const auto& [variant, us] : variants) {
      CaseRecord record;
      record.key = variant + name;
      record.spec_line = record.math_line = spec_line("64");
      record.variant = variant;
      record.device = "cpu:0";
      record.mode = "decode";
      for (int i = 0; i < 40; ++i) record.device_us.push_back(us * (1 + 0.0005 * (i * 7 % 10 - 4.5)));
      record.host_us = record.device_us;
      record.disturbed.assign(40, 0);
      store.put(record);
    }
  }

  Home home_;
};

TEST_F(cli_formats, the_document_has_the_forms_of_every_subcommand) {
  const std::string document = read_file(fs::path(ASSAY_SOURCE_DIR) / "docs/formats.md");
  size_t with_forms = 0;
  for (const std::string& line : lines_of(home_.run({"help"}).out)) {
    if (!line.starts_with("  ") || line.size() < 3 || line[2] < 'a' || line[2] > 'z') continue;
    const std::string command = line.substr(2, line.find(' ', 2) - 2);
    if (command == "assay" || !has(home_.run({command, "--help"}).out, "--format NAME")) continue;
    ++with_forms;
    EXPECT_GE(count_of(document, "`" + command + "`"), 2u) << command << ": which forms, and what is in them";
  }
  EXPECT_GE(with_forms, 10u);
}

TEST_F(cli_formats, whole_numbers_are_whole_in_json) {
  const Ended ended = home_.run({"table", "check", fs::path(ASSAY_SOURCE_DIR) / "tables/cpu.json", "--format", "json"});
  EXPECT_TRUE(has(ended.out, "\"measured\":0}")) << ended.out << ended.err;
}

TEST_F(cli_formats, every_subcommand_has_the_same_option_and_an_unknown_name_lists_what_there_is) {
  const std::vector<Arguments> commands = {
      {"probe", "--dry-run"},   {"devices", "--list"}, {"selftest"}, {"compare", at("a.sqlite"), at("b.sqlite")},
      {"analyze", at("trace")}, {"audit", at("log")}};
  for (const Arguments& command : commands) {
    const bool compare = command[0] == "compare";
    for (const std::string wrong : {"jsn", "JSON", "=x", "xml=x"}) {
      Arguments arguments = command;
      arguments.push_back("--format=" + wrong);
      expect_refused(home_, arguments,
                     {"--format", "text, csv, json, markdown", wrong == "jsn" ? "did you mean json?" : ""});
    }
    Arguments arguments = command;
    arguments.insert(arguments.end(), {"--format", "json="});
    expect_refused(home_, arguments, {"--format json=", "empty name"});
    if (compare) continue;
    arguments.back() = "junit";
    expect_refused(home_, arguments, {"--format junit", "not among"});
  }
  expect_refused(home_, {"compare", "a", "b", "--format", "junitt"}, {"junit, github", "did you mean junit?"});
}

TEST_F(cli_formats, a_short_form_is_the_format_into_that_file) {
  const std::vector<Arguments> commands = {{"compare", at("a.sqlite"), at("b.sqlite")},
                                           {"analyze", at("trace")},
                                           {"audit", at("log")},
                                           {"devices", "--list"}};
  for (const Arguments& command : commands)
    for (const std::string name : {"csv", "json", "markdown"}) {
      SCOPED_TRACE(command[0] + " " + name);
      Arguments with_format = command, short_form = command, shown = command;
      with_format.insert(with_format.end(), {"--format", name + "=" + at("one").string()});
      short_form.insert(short_form.end(), {"--" + name, at("two")});
      shown.insert(shown.end(), {"--format", name});
      const std::string text = home_.run(command).out;
      EXPECT_EQ(home_.run(with_format).out, text) << "the text is shown as well";
      home_.run(short_form);
      EXPECT_EQ(read_file(at("one")), read_file(at("two")));
      EXPECT_EQ(home_.run(shown).out, read_file(at("one"))) << "without a file it takes the place of the text";
      EXPECT_FALSE(read_file(at("one")).empty());
    }
}

TEST_F(cli_formats, several_forms_are_written_in_one_run_and_text_can_go_into_a_file_too) {
  for (const Arguments& command : std::vector<Arguments>{
           {"compare", at("a.sqlite"), at("b.sqlite")}, {"analyze", at("trace")}, {"audit", at("log")}}) {
    Arguments arguments = command;
    for (const std::string name : {"text", "csv", "json", "markdown"})
      arguments.insert(arguments.end(), {"--format", name + "=" + at(name).string()});
    arguments.insert(arguments.end(), {"--format", "json=" + at("again").string()});
    const Ended ended = home_.run(arguments);
    EXPECT_EQ(ended.out, home_.run(command).out) << ended.err;
    EXPECT_EQ(read_file(at("text")), ended.out);
    EXPECT_EQ(read_file(at("json")), read_file(at("again")));
    for (const std::string name : {"csv", "json", "markdown"}) EXPECT_FALSE(read_file(at(name)).empty());
  }
  const Ended quiet = home_.run({"audit", at("log"), "--format", "json", "--format", "text=" + at("t").string()});
  EXPECT_EQ(quiet.out.substr(0, 1), "{");
  EXPECT_TRUE(has(read_file(at("t")), "Audit of"));
}

TEST_F(cli_formats, the_option_takes_one_value_and_leaves_what_follows) {
  EXPECT_EQ(home_.run({"analyze", "--format", "csv", at("trace")}).out.substr(0, 5), "trace");
  EXPECT_EQ(home_.run({"audit", "--format", "json", at("log")}).out.substr(0, 1), "{");
}

TEST_F(cli_formats, forms_for_ci_come_with_the_exit_code_of_the_gate) {
  const Ended junit = home_.run({"compare", at("a.sqlite"), at("b.sqlite"), "--format", "junit"});
  EXPECT_EQ(junit.exit_code, 1);
  EXPECT_EQ(count_of(junit.out, "<failure "), 1u) << junit.out;
  const Ended github = home_.run(
      {"compare", at("a.sqlite"), at("b.sqlite"), "--format", "github", "--format", "junit=" + at("r.xml").string()});
  EXPECT_EQ(github.exit_code, 1);
  EXPECT_EQ(count_of(github.out, "::error "), 1u) << github.out;
  EXPECT_EQ(read_file(at("r.xml")), junit.out);
  EXPECT_EQ(home_.run({"compare", at("a.sqlite"), at("a.sqlite"), "--format", "junit"}).exit_code, 0);
}

TEST_F(cli_formats, a_comparison_of_nothing_is_no_pass) {
  expect_refused(home_, {"compare", at("a.sqlite"), at("c.sqlite")}, {"no case in common", "2 and 1 cases"});
  expect_refused(home_, {"compare", at("none.sqlite"), at("a.sqlite")}, {"none.sqlite", "holds no case"});
  expect_refused(home_, {"compare", at("a.sqlite"), at("none.sqlite")}, {"none.sqlite", "holds no case"});
  write_file(at("text"), "some text");
  write_file(at("empty"), "");
  expect_refused(home_, {"compare", at("text"), at("a.sqlite")}, {"text", "neither a store nor a JSON report"});
  expect_refused(home_, {"compare", at("a.sqlite"), at("empty")}, {"empty", "neither a store nor a JSON report"});
}

TEST_F(cli_formats, a_store_beside_itself_is_the_same_at_an_interval_that_says_so) {
  const Ended ended = home_.run({"compare", at("a.sqlite"), at("a.sqlite"), "--format", "csv"});
  EXPECT_EQ(count_of(ended.out, ",SAME,"), 2u) << ended.out;
  EXPECT_EQ(count_of(ended.out, ",1,1,1,1,"), 2u) << "ratio, low, high, p\n" << ended.out;
}

}  // namespace
}  // namespace assay
