// `assay analyze` from the outside: what goes to stdout and stderr, exit codes, several traces, standard input.
#include "assay_program.h"
#include "base/json.h"
#include "trace_lines.h"

namespace assay {
namespace {

class analyze : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) const {
    write_file(home_.folder / name, bytes);
    return home_.folder / name;
  }
  Home home_;
};

const std::string kNothing = "Total events: 0\n\nEvent type summary:\n\nSync operations:\n  sync kernels: no samples\n";

TEST_F(analyze, bad_lines_are_named_where_they_occur_and_leave_the_exit_code_at_0) {
  const std::string trace = write("t.jsonl", gpu_line("a", "1") + "\nbad\n[]\n" + gpu_line("b", "1"));
  const Ended ended = home_.run({"analyze", "--classic", trace});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.out.rfind("\n=== Analyzing " + trace + " ===\nError parsing line 2: ", 0), 0u) << ended.out;
  EXPECT_EQ(count_of(ended.out, "Error parsing"), 1u);
  EXPECT_TRUE(has(ended.out, "\nTotal events: 2\n"));
  EXPECT_TRUE(has(ended.err, "line 3 (from 0) is left out: the line is a list, not an object\n")) << ended.err;
  EXPECT_EQ(count_of(ended.err, "\n"), 1u) << ended.err;
}

TEST_F(analyze, accounts_come_after_the_classic_report_and_not_with_classic) {
  const std::string trace =
      write("t.jsonl", gpu_line("Generation Loop/a/cb_wait", "40") + gpu_line("Generation Loop/a/cb_gpu", "30") +
                           internal_line("generation_loop", "iteration_total", "50") + "bad\n");
  const std::string classic = home_.run({"analyze", "--classic", trace}).out, whole = home_.run({"analyze", trace}).out;
  EXPECT_EQ(whole.substr(0, classic.size()), classic);
  EXPECT_FALSE(has(classic, "Time per token"));
  const std::string more = whole.substr(classic.size());
  EXPECT_TRUE(has(more,
                  "\nTime per token:\n  decode: tokens=1 | wall=0.050ms = gpu_busy 0.030 + host_cost 0.010 + cpu 0.000 "
                  "+ unattributed 0.010 (20.0%)"))
      << more;
  EXPECT_TRUE(has(more, "\nAnomalies (lines from 0):\n  not JSON: 1 line left out, first line 3: ")) << more;
}

TEST_F(analyze, a_file_of_another_kind_does_not_flood_stderr) {
  std::string text = gpu_line("a", "1");
  for (int i = 0; i < 1000; ++i) text += "[]\n";
  const Ended ended = home_.run({"analyze", write("lists.jsonl", text)});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(count_of(ended.err, "\n"), 101u);
  EXPECT_TRUE(has(ended.err, ": 900 more lines of a wrong shape are left out\n")) << ended.err;
}

TEST_F(analyze, a_file_that_is_no_trace_gets_one_line_and_one_of_json_says_why) {
  const Ended other = home_.run({"analyze", write("other.bin", "GGUF\n7\n[]\nrest\n")});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_EQ(count_of(other.err, "\n"), 1u) << other.err;
  const Ended json = home_.run({"analyze", write("list.json", "[]\n")});
  EXPECT_EQ(json.exit_code, 2);
  EXPECT_TRUE(has(json.err, "line 0 (from 0) is left out: the line is a list, not an object\n")) << json.err;
}

TEST_F(analyze, an_empty_trace_has_no_events) {
  const std::string trace = write("empty.jsonl", "");
  const Ended ended = home_.run({"analyze", "--classic", trace});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.out, "\n=== Analyzing " + trace + " ===\n" + kNothing);
  EXPECT_EQ(ended.err, "assay: " + trace +
                           ": no event in it; it looks like an empty file; was the engine's tracing on when it ran?\n");
}

TEST_F(analyze, a_folder_or_a_missing_trace_is_refused) {
  for (const std::string& trace : {home_.folder.string(), (home_.folder / "missing.jsonl").string()}) {
    const Ended ended = home_.run({"analyze", trace});
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(has(ended.err, trace)) << ended.err;
    EXPECT_EQ(count_of(ended.err, "\n"), 1u) << ended.err;
  }
  EXPECT_EQ(home_.run({"analyze"}).exit_code, 2);
  EXPECT_EQ(home_.run({"analyze", "--top", "-1", write("t", "")}).exit_code, 2);
}

TEST_F(analyze, several_traces_get_a_report_each) {
  const std::string one = write("one.jsonl", gpu_line("a", "1")),
                    two = write("two.jsonl", gpu_line("b", "1") + gpu_line("b", "1"));
  const Ended both = home_.run({"analyze", "--classic", one, two});
  EXPECT_EQ(both.out, home_.run({"analyze", "--classic", one}).out + home_.run({"analyze", "--classic", two}).out);
  EXPECT_EQ(count_of(both.out, "=== Analyzing "), 2u);
}

TEST_F(analyze, standard_input_and_relative_paths_are_traces_too) {
  const std::string trace = write("t.jsonl", gpu_line("a", "1")), program = ASSAY_PROGRAM;
  const auto shell = [&](const std::string& script) {
    const std::string out = home_.folder / "out.txt";
    EXPECT_EQ(std::system(("cd '" + home_.folder.string() + "' && " + script + " > out.txt").c_str()), 0);
    return read_file(out);
  };
  const std::string expected = home_.run({"analyze", "--classic", trace}).out;
  const std::string body = expected.substr(expected.find("Total"));
  EXPECT_EQ(shell("cat t.jsonl | '" + program + "' analyze --classic -"), "\n=== Analyzing - ===\n" + body);
  EXPECT_EQ(shell("'" + program + "' analyze --classic .//t.jsonl"), "\n=== Analyzing t.jsonl ===\n" + body);
}

TEST_F(analyze, compressed_data_that_ends_early_gives_the_report_so_far_and_exit_2) {
  const std::string trace = write("t.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10));
  const Ended ended = home_.run({"analyze", "--classic", trace});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.out, kNothing)) << ended.out;
  EXPECT_TRUE(has(ended.err, "t.gz: the gzip data ends early: the report covers the 0 events before that\n"))
      << ended.err;
}

TEST_F(analyze, a_missing_trace_among_several_costs_its_own_report_alone) {
  const std::string one = write("one.jsonl", gpu_line("a", "1")), missing = home_.folder / "missing.jsonl",
                    json = home_.folder / "x.json";
  const Ended ended = home_.run({"analyze", "--classic", "--json", json, missing, one});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.out, home_.run({"analyze", "--classic", one}).out);
  EXPECT_TRUE(has(ended.err, missing)) << ended.err;
  EXPECT_EQ(parse_json(read_file(json), json)["traces"].size(), 1u);
}

TEST_F(analyze, results_go_into_the_pipe_or_the_linked_file_that_is_named_and_do_not_replace_it) {
  const std::string trace = write("t.jsonl", gpu_line("a", "1"));
  const fs::path pipe = home_.folder / "pipe", link = home_.folder / "link", target = home_.folder / "target";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int end = open(pipe.c_str(), O_RDWR | O_NONBLOCK);
  fs::create_symlink(target, link);
  EXPECT_EQ(home_.run({"analyze", "--csv", pipe, "--json", link, trace}).exit_code, 0);
  char bytes[6] = {};
  EXPECT_EQ(read(end, bytes, 5), 5);
  EXPECT_STREQ(bytes, "trace");
  close(end);
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read_file(target).substr(0, 1), "{");
}

TEST_F(analyze, a_trace_that_shrinks_while_it_is_read_gives_the_report_so_far_and_exit_2) {
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += gpu_line("a", "1");
  for (int delay_ms = 1; delay_ms <= 256; delay_ms *= 2) {  // it may shrink before it is opened, or after it was read
    const fs::path trace = write("shrinks.jsonl", text);
    const auto running = home_.start({"analyze", "--classic", trace});
    usleep(useconds_t(delay_ms * 1000));
    fs::resize_file(trace, 1000);
    const Ended ended = running->wait();
    if (ended.exit_code == 0) continue;
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_TRUE(has(ended.err, "it shrank while it was read, from ")) << ended.err;
    return;
  }
  GTEST_SKIP() << "the file never shrank while it was read";
}

TEST_F(analyze, tokens_that_the_account_finds_are_those_of_the_shapes_too) {
  const std::string fields =
      R"(,"data":{"op":"matmul","backend":"b","batch":"1","m":"1","n":"64","k":"32","tA":"0","tB":"1"})";
  std::string text;
  for (int i = 0; i < 3; ++i)
    text += gpu_line("generation/logits/generation/logits/k", "9", fields) +
            gpu_line("generation/logits/cb_wait", "8") + gpu_line("generation/logits/cb_gpu", "5");
  const std::string out = home_.run({"analyze", write("t.jsonl", text)}).out;
  EXPECT_TRUE(has(out, "decode: tokens=3 ")) << out;
  EXPECT_TRUE(has(out, "3 tokens (ends of tokens in the account of time)")) << out;
}

TEST_F(analyze, an_option_that_is_not_a_number_is_refused) {
  const std::string trace = write("t.jsonl", "");
  for (const char* option : {"--ceiling", "--hot", "--threshold", "--top", "--tokens"}) {
    const Ended ended = home_.run({"analyze", option, "nan", trace});
    EXPECT_EQ(ended.exit_code, 2) << option;
    EXPECT_TRUE(has(ended.err, option)) << ended.err;
  }
  EXPECT_EQ(home_.run({"audit", "--max-rel", "nan", trace}).exit_code, 2);
}

TEST_F(analyze, a_device_of_this_machine_is_a_ceiling) {
  const std::string fields =
      R"(,"data":{"op":"matmul","backend":"b","batch":"1","m":"1","n":"64","k":"32","tA":"0","tB":"1"})";
  const std::string trace = write("t.jsonl", gpu_line("matmul/k", "9", fields));
  const Ended first = home_.run({"analyze", "--dtype", "f16", "--ceiling", "cpu:0", trace}),
              again = home_.run({"analyze", "--dtype", "f16", "--ceiling", "cpu", trace});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_TRUE(has(first.err, "measuring the ceilings of cpu:0")) << first.err;
  EXPECT_TRUE(has(first.err, "cpu:0 was measured to read")) << first.err;
  EXPECT_FALSE(has(again.err, "measuring the ceilings")) << "it is in the store";
  EXPECT_TRUE(has(again.out, "% ceiling")) << again.out;
  const Ended unknown = home_.run({"analyze", "--ceiling", "cpx:0", trace});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_TRUE(has(unknown.err, "--ceiling cpx:0: neither GB/s nor a device")) << unknown.err;
}

TEST_F(analyze, options_reach_the_report) {
  const std::string trace = write("t.jsonl", gpu_line("a", "2") + gpu_line("b", "1") +
                                                 internal_line("p", "x_total", "1") + internal_line("p", "k", "1"));
  EXPECT_FALSE(has(home_.run({"analyze", "--top", "1", trace}).out, "\n  b: count=1"));
  EXPECT_TRUE(has(home_.run({"analyze", trace}).out, "\n  b: count=1"));
  EXPECT_TRUE(has(home_.run({"analyze", "--include-kernel-totals", trace}).out, "\n  x_total: count=1"));
  EXPECT_FALSE(
      has(home_.run({"analyze", "--include-kernel-totals", "--kernel-top", "1", trace}).out, "\n  k: count=1"));
  EXPECT_TRUE(has(home_.run({"analyze", "--kernel-filter", "B", trace}).out,
                  "Kernel aggregate (all parents):\n  (no kernels matched)\n"));
}

}  // namespace
}  // namespace assay
