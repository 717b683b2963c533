// Laws of awkward words, names and places that every command keeps: lists, bytes in names, outputs over what is kept.
#include <algorithm>
#include <limits>

#include "base/terminal.h"
#include "refusals.h"
#include "text_lines.h"

namespace assay {
namespace {

const fs::path kSource = ASSAY_SOURCE_DIR;
const fs::path kModel = kSource / "../shared/data/models/tiny-qwen2-q8_0.gguf";
const fs::path kTable = kSource / "tables/cpu.json";

class cli_awkward : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return home_.folder / name; }
  /// The same file afterwards, whatever the command said in its one line.
  void expect_refused_and_kept(const Arguments& arguments, const fs::path& file,
                               const std::vector<std::string>& parts) const {
    const std::string before = read_file(file);
    expect_refused(home_, arguments, parts);
    EXPECT_EQ(read_file(file), before);
  }
  Home home_;
};

TEST_F(cli_awkward, a_folder_of_kernels_has_no_say_in_how_others_are_judged_or_timed) {
  const auto refuse = [&](const std::string& family, const std::string& more, const std::vector<std::string>& parts) {
    const fs::path folder = at(family);
    fs::create_directories(folder);
    write_file(folder / "k.cpp", "");
    write_file(
        folder / "manifest.json",
        R"({"schema": 1, "backend": "cpu", "mutants": true, "families": [{"family": ")" + family +
            R"(", "source": "k.cpp", "technique": "t", "name": "n", "supports": {"op": ["argmax"], "a": ["f32"]}, )" +
            more + "}]}");
    expect_refused(home_, {"probe", "--dry-run", "--kernels", folder, "--spec", "op=argmax | m=1 | n=64 | dtA=f32"},
                   parts);
  };
  refuse("ceiling", R"("role": "ceiling")", {"ceiling/n has the role ceiling", "only assay's own", "leave"});
  refuse("peak_mine", R"("role": "ceiling")", {"peak_mine/n has the role ceiling"});
  refuse("faster", R"("harness": {"timer_scale": 0.9})", {"faster/n", "harness", "selftest alone"});
}

class cli_awkward_model : public cli_awkward {
 protected:
  void SetUp() override {
    if (!fs::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
  }
};

TEST_F(cli_awkward, a_list_of_numbers_is_numbers_with_commas_between) {
  for (const auto& [command, option] : std::vector<std::pair<Arguments, std::string>>{{{"bench", "m"}, "--prompt"},
                                                                                      {{"bench", "m"}, "--generate"},
                                                                                      {{"bench", "m"}, "--depth"},
                                                                                      {{"bench", "m"}, "--threads"},
                                                                                      {{"tune", "m"}, "--threads"},
                                                                                      {{"replay", "m"}, "--batch"},
                                                                                      {{"specs", "m"}, "--m"},
                                                                                      {{"specs", "m"}, "--context"}})
    for (const std::string value :
         {"", ",", "x", "1,", ",1", "1,,2", "1 2", "1,x", "-1", "1.5", "1e3", "nan", "0x1", "99999999999999999999"}) {
      Arguments arguments = command;
      arguments.push_back(option + "=" + value);
      expect_refused(home_, arguments, {option, value.empty() ? "missing" : "is no list of whole numbers from "});
    }
}

TEST_F(cli_awkward, an_option_that_is_given_twice_is_refused_in_words) {
  for (const Arguments& command :
       std::vector<Arguments>{{"run", "m", "-p", "a", "-p", "b"}, {"run", "m", "--prompt", "a", "-p", "b"}})
    expect_refused(home_, command, {"--prompt is given 2 times; give it once"});
  expect_refused(home_, {"run", "m", "-p", "a", "-f", "b"}, {"by -p TEXT or by -f FILE, not by both"});
  expect_refused(home_, {"report", "--out", at("p"), ""}, {"INPUT: an empty name is no file"});
  expect_refused(home_, {"replay", ""}, {"WHAT: an empty name is no file"});
}

TEST_F(cli_awkward, an_option_with_an_empty_text_is_not_taken_for_one_that_was_not_given) {
  for (const auto& [command, option] :
       std::vector<std::pair<Arguments, std::string>>{{{"analyze", "t"}, "--dtype"},
                                                      {{"analyze", "t"}, "--ceiling"},
                                                      {{"devices", "--list"}, "--device"},
                                                      {{"tune", "m"}, "--accuracy"},
                                                      {{"export"}, "--prefix"}}) {
    Arguments arguments = command;
    arguments.insert(arguments.end(), {option, ""});
    expect_refused(home_, arguments, {option, "says nothing; leave it out"});
  }
}

TEST_F(cli_awkward, what_measures_nothing_needs_no_folder_of_ones_own) {
  fs::create_directories(at("closed"));
  fs::permissions(at("closed"), fs::perms::owner_read | fs::perms::owner_exec);
  if (const std::string why = home_.drop_privileges(); !why.empty()) GTEST_SKIP() << why;
  const Variables closed{{"XDG_STATE_HOME", at("closed/state")}, {"XDG_CACHE_HOME", at("closed/cache")}};
  for (const Arguments& command : std::vector<Arguments>{{"devices", "--list"}, {"table", "show", kTable}}) {
    const Ended ended = home_.run(command, closed);
    EXPECT_EQ(ended.exit_code, 0) << command[0] << ended.err;
  }
  EXPECT_TRUE(fs::is_empty(at("closed")));
}

TEST_F(cli_awkward, help_of_every_command_shows_an_example_and_its_exit_codes_in_120_columns) {
  std::vector<std::string> commands;
  for (const std::string& line : lines_of(home_.run({"help"}).out))
    if (line.starts_with("  ") && line.size() > 2 && line[2] >= 'a' && line[2] <= 'z' && !line.starts_with("  assay "))
      commands.push_back(line.substr(2, line.find(' ', 2) - 2));
  ASSERT_GT(commands.size(), 20u);
  for (const std::string& command : commands) {
    const Ended ended = home_.run({command, "--help"});
    EXPECT_EQ(ended.exit_code, 0) << command;
    for (const std::string& line : lines_of(ended.out)) EXPECT_LE(display_width(line), 120u) << command << ": " << line;
    if (command == "help") continue;
    EXPECT_TRUE(has(ended.out, "Example")) << command;
    EXPECT_TRUE(has(ended.out, "Exit codes: 0 ")) << command;
  }
}

TEST_F(cli_awkward, no_output_takes_the_place_of_a_shipped_file) {
  for (const fs::path& file : {kTable, kSource / "kernels/cpu/manifest.json", kSource / "specs/qwen2.5-0.5b-f16.json"})
    for (const Arguments& command : std::vector<Arguments>{{"bench", "m", "--json"},
                                                           {"run", "m", "-p", "a", "--trace"},
                                                           {"report", "--out"},
                                                           {"tune", "m", "--out"},
                                                           {"replay", "m", "--json"},
                                                           {"opbench", "--csv"},
                                                           {"specs", "m", "--out"},
                                                           {"logits", "m", "--tokens", "1", "--out"},
                                                           {"synth", "--shape", "qwen2.5-0.5b", "--out"}}) {
      Arguments arguments = command;
      arguments.push_back(file);
      expect_refused_and_kept(arguments, file, {"shipped", "which is read"});
    }
}

TEST_F(cli_awkward_model, no_output_takes_the_place_of_the_model_that_is_read) {
  const fs::path model = at("model.gguf");
  fs::copy_file(kModel, model);
  for (const Arguments& command : std::vector<Arguments>{{"replay", model, "--rounds", "1", "--json"},
                                                         {"bench", model, "--json"},
                                                         {"run", model, "-p", "a", "--trace"},
                                                         {"tune", model, "--out"},
                                                         {"specs", model, "--out"},
                                                         {"inspect", model, "--csv"},
                                                         {"logits", model, "--tokens", "1", "--out"},
                                                         {"probe", "--dry-run", "--model", model, "--json"},
                                                         {"synth", "--shape", "tiny", "--tokenizer", model, "--out"}}) {
    Arguments arguments = command;
    arguments.push_back(model);
    expect_refused_and_kept(arguments, model, {"is the same file as", "which is read"});
  }
}

TEST_F(cli_awkward, no_output_takes_the_place_of_a_store_that_the_command_does_not_name) {
  { const Store made(home_.store()); }
  for (const Arguments& command : std::vector<Arguments>{{"bench", "m", "--json"},
                                                         {"report", kTable, "--out"},
                                                         {"table", "show", kTable, "--csv"},
                                                         {"opbench", "--store", at("o.sqlite"), "--json"},
                                                         {"synth", "--shape", "qwen2.5-0.5b", "--out"}}) {
    Arguments arguments = command;
    arguments.push_back(home_.store());
    expect_refused_and_kept(arguments, home_.store(), {"is a store or another database"});
  }
}

TEST_F(cli_awkward, a_merge_of_what_is_no_store_makes_none) {
  write_file(at("text"), "no store");
  { const Store made(at("a.sqlite")); }
  expect_refused(home_, {"store", "merge", at("a.sqlite"), at("text"), "--store", at("all.sqlite")},
                 {"text: not an assay store"});
  EXPECT_FALSE(fs::exists(at("all.sqlite")));
}

TEST_F(cli_awkward, a_page_of_nothing_is_refused) {
  const auto refused = [&](const std::string& json, const std::string& part) {
    write_file(at("odd.json"), json);
    expect_refused(home_, {"report", at("odd.json"), "--out", at("page.html")}, {"odd.json: ", part});
    EXPECT_FALSE(fs::exists(at("page.html")));
  };
  refused("GGUF" + std::string(60, '\1'), "it looks like a ");
  refused("", "it looks like an empty file");
  expect_refused(home_, {"report", kTable, "--out", at("page.html"), "--token", "3"}, {"--token 3", "no trace"});
  refused(R"({"schema":1,"devices":[1]})", "/devices/0 is no section");
  refused("{\n\"devices\":[{\"backend\":\"cpu\",\"entries\":[]},{\"backend\":\"cpu\"}]}", "/devices/1 is no section");
  refused(R"({"schema":"assay-opbench"})", "holds no result of opbench");
  refused(R"({"schema":"assay-opbench","rows":7,"cells":[]})", "holds no result of opbench");
  refused("{\"schema\":\"" + std::string(5000, 'x') + "\"}", "no trace");
}

TEST_F(cli_awkward, what_is_no_trace_is_one_line_however_many_it_has) {
  std::string lines = "GGUF\3";
  for (int i = 0; i < 300; ++i) lines += "\n{ a brace";
  for (const std::string& text : {lines, "{" + lines, "{\"a\": 1}{" + lines}) {
    write_file(at("odd"), text);
    expect_refused(home_, {"report", at("odd"), "--out", at("page.html")}, {"odd"});
    expect_refused(home_, {"probe", "--dry-run", "--from", at("odd")}, {"odd: no event in it"});
  }
}

TEST_F(cli_awkward, compressed_json_is_called_compressed) {
  write_file(at("r.json.gz"), "\x1f\x8b\x08 and so on");
  for (const Arguments& command : std::vector<Arguments>{{"compare", at("r.json.gz"), at("r.json.gz")},
                                                         {"table", "check", at("r.json.gz")},
                                                         {"probe", "--dry-run", "--specs", at("r.json.gz")}})
    expect_refused(home_, command, {"r.json.gz: is gzip-compressed data; unpack it first"});
}

TEST_F(cli_awkward, an_error_is_no_longer_than_a_screen_however_long_a_name_is) {
  const Ended ended = home_.run({"table", "check", std::string(50'000, 'x')});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_LT(ended.err.size(), 2'100u);
  EXPECT_TRUE(has(ended.err, "File name too long")) << ended.err;
}

TEST_F(cli_awkward, a_variable_that_is_no_number_is_refused_and_not_left_out) {
  for (const std::string name : {"ASSAY_COMPILE_LIMIT_S", "ASSAY_MEMORY_MB"})
    for (const std::string value : {"8G", "abc", "-5", "0", "nan", "1e400"}) {
      const Ended ended = home_.run({"table", "check", kTable}, {{name, value}});
      EXPECT_EQ(ended.exit_code, 2) << name << value;
      EXPECT_TRUE(has(ended.err, name + ": " + value + " is no ")) << ended.err;
    }
  EXPECT_EQ(home_.run({"table", "check", kTable}, {{"ASSAY_COMPILE_LIMIT_S", "0.5"}}).exit_code, 0);
}

TEST_F(cli_awkward, temporary_files_lie_where_tmpdir_says) {
  const Ended ended = home_.run({"selftest"}, {{"TMPDIR", at("absent")}});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "absent/assay-selftest-") && has(ended.err, "set TMPDIR")) << ended.err;
}

TEST_F(cli_awkward, tables_that_say_the_same_say_so_in_every_format) {
  const Ended text = home_.run({"table", "diff", kTable, kTable}),
              json = home_.run({"table", "diff", kTable, kTable, "--json", "-"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out, "the same entries in the same order\n");
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_EQ(Json::parse(json.out), Json::array());
}

TEST_F(cli_awkward, samples_that_are_no_numbers_end_no_command) {
  CaseRecord record;
  record.key = "k", record.key_text = "text", record.variant = "naive/loop", record.device = "cpu:0";
  record.mode = "decode";
  record.spec_line = record.math_line =
      "op=matmul | batch=1 | m=1 | n=64 | k=64 | tA=0 | tB=1 | dtA=f32 | dtB=f32 | dtD=f32";
  record.outcome = Outcome::pass;
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  record.device_us = {10, nan, 11, inf, 12, 10, 11};
  record.head_to_head_us = {nan, nan, nan, nan, nan, nan};
  record.host_us = {nan};
  CaseRecord framework = record;
  framework.key = "o", framework.mode = "opbench", framework.spec_line = framework.math_line = "ReLU / dim=64";
  framework.variant = "assay_cpu";
  {
    Store store(at("odd.sqlite"));
    store.put(record);
    store.put(framework);
  }
  EXPECT_EQ(home_.run({"compare", at("odd.sqlite"), at("odd.sqlite")}).exit_code, 0);
  const Ended report = home_.run({"report", at("odd.sqlite"), "--out", at("odd.html")});
  EXPECT_EQ(report.exit_code, 0) << report.err;
}

TEST_F(cli_awkward_model, results_are_written_whatever_bytes_a_name_has) {
  const std::string odd = "odd\xff\n";
  const fs::path model = at(odd + ".gguf"), trace = at(odd + ".jsonl");
  fs::copy_file(kModel, model);
  const auto fine = [&](const Arguments& arguments) {
    const Ended ended = home_.run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << arguments[0] << ": " << ended.err;
  };
  fine({"bench", model, "-p", "2", "-n", "1", "-r", "1", "--json", at("bench.json")});
  EXPECT_TRUE(Json::parse(read_file(at("bench.json"))).contains("rows"));
  fine({"inspect", model, "--json", at("inspect.json")});
  fine({"specs", model, "--out", at("specs.json")});
  EXPECT_TRUE(Json::parse(read_file(at("specs.json"))).contains("sources"));
  fine({"run", model, "-p", "a", "-n", "2", "--quiet", "--trace", trace});
  fine({"analyze", trace, "--json", at("trace.json"), "--dtype", "q8_0"});
  fine({"report", trace, "--out", at(odd + ".html"), "--quiet"});
}

TEST_F(cli_awkward_model, a_store_that_cannot_be_read_costs_a_bench_no_result) {
  fs::create_directories(home_.store().parent_path());
  write_file(home_.store(), "no store");
  const Ended ended = home_.run({"bench", kModel, "-p", "2", "-n", "1", "-r", "1"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "decode 1")) << ended.out;
  EXPECT_TRUE(has(ended.err, "no ceiling is shown: " + home_.store().string())) << ended.err;
}

TEST_F(cli_awkward_model, what_streams_to_standard_output_leaves_no_place_there_for_a_file) {
  for (const std::string name : {"-", "/dev/stdout", "/proc/self/fd/1"}) {
    expect_refused(home_, {"run", kModel, "-p", "a", "--trace", name}, {"--trace " + name, "standard output"});
    expect_refused(home_, {"tune", kModel, "--out", name}, {"--out " + name, "standard output"});
  }
}

TEST_F(cli_awkward_model, what_is_no_table_is_not_replaced_by_one) {
  write_file(at("notes.txt"), "my notes\n");
  const std::string before = read_file(at("notes.txt"));
  const Ended ended = home_.run({"tune", kModel, "--out", at("notes.txt")});
  EXPECT_EQ(ended.exit_code, 2) << ended.err;
  EXPECT_TRUE(has(ended.err, "notes.txt") && has(ended.err, "name another file, or remove it")) << ended.err;
  EXPECT_EQ(read_file(at("notes.txt")), before);
}

TEST_F(cli_awkward_model, a_kernel_that_is_of_no_op_is_refused) {
  for (const std::string rule : {"matmull=naive/loop", "*dtB=q9*=naive/loop"})
    for (const Arguments& command : std::vector<Arguments>{{"run", kModel, "-p", "a", "-n", "1"}, {"replay", kModel}}) {
      Arguments arguments = command;
      arguments.insert(arguments.end(), {"--kernel", rule});
      expect_refused(home_, arguments, {"--kernel " + rule, "is of no op"});
    }
  for (const std::string rule : {"rope=naive/loop", "rop*=naive/loop", "op=attention*m=1 *=naive/loop"})
    expect_refused(home_, {"run", kModel, "-p", "a", "-n", "1", "--kernel", rule},
                   {"--kernel " + rule, "is a kernel of matmul", rule[0] == 'r' ? "not of rope" : "not of attention"});
  const Ended of_prompts =
      home_.run({"run", kModel, "-p", "a", "-n", "1", "--quiet", "--kernel", "*m=64*k=7 *=naive/loop"});
  EXPECT_EQ(of_prompts.exit_code, 0) << of_prompts.err;
}

TEST_F(cli_awkward_model, an_empty_prompt_is_refused_also_where_a_template_stands_around_it) {
  write_file(at("empty"), "");
  expect_refused(home_, {"run", kModel, "-p", ""}, {"the prompt is empty"});
  expect_refused(home_, {"run", kModel, "-f", at("empty")}, {"the prompt is empty"});
}

TEST_F(cli_awkward_model, a_dash_is_standard_input_for_texts) {
  const std::string model = " " + kModel.string() + " ";
  const Ended run = run_in_shell(home_, "printf 'a b' | $ASSAY run" + model + "-f - -n 2 --quiet");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.out, home_.run({"run", kModel, "-p", "a b", "-n", "2", "--quiet"}).out);
  EXPECT_EQ(run_in_shell(home_, "echo some words here | $ASSAY perplexity" + model + "-").exit_code, 0);
}

TEST_F(cli_awkward_model, a_bench_of_nothing_is_refused) {
  expect_refused(home_, {"bench", kModel, "-p", "0", "-n", "0"}, {"nothing is left to measure"});
  expect_refused(home_, {"run", kModel, "-p", "a", "--kernels", ""}, {"--kernels", "an empty name is no folder"});
}

}  // namespace
}  // namespace assay
