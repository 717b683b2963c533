// The real program: options that would do nothing are refused, and what each option of several values stands for.
#include "refusals.h"
#include "report/json.h"

namespace assay {
namespace {

constexpr char kEvent[] =
    R"({"timestamp":1,"span_id":1,"event":{"type":"GpuOpCompleted","data":{"op_name":"a","backend":"b","duration_us":5}}})";

TEST(cli_options, a_spec_without_types_is_measured_with_each_dtype) {
  const Home home;
  const std::string line = "op=matmul | batch=1 | m=1 | n=256 | k=512 | tA=0 | tB=1";
  for (const Arguments& types :
       std::vector<Arguments>{{"--dtype", "f16", "--dtype", "q8_0"}, {"--dtype", "f16", "q8_0"}}) {
    Arguments arguments = {"probe", "--spec", line, "--dry-run"};
    arguments.insert(arguments.end(), types.begin(), types.end());
    const Ended ended = home.run(arguments);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_TRUE(has(ended.out, line + " | dtA=f16 | dtB=f16 | dtD=f16")) << ended.out;
    EXPECT_TRUE(has(ended.out, line + " | dtA=f16 | dtB=q8_0 | dtD=f16")) << ended.out;
    EXPECT_TRUE(has(ended.out, "2 specs, ")) << ended.out;
  }
  const Ended f32 = home.run({"probe", "--spec", line, "--dtype", "f32:q8_0", "--dtype", "f32:q4_0", "--dry-run"});
  EXPECT_TRUE(has(f32.out, "dtA=f32 | dtB=q4_0 | dtD=f32")) << f32.out << f32.err;
}

TEST(cli_options, one_that_would_do_nothing_is_refused) {
  const Home home;
  const fs::path trace = home.folder / "t.jsonl", table = std::string(ASSAY_SOURCE_DIR) + "/tables/cpu.json";
  const fs::path operations = std::string(ASSAY_SOURCE_DIR) + "/tests/data/seed-004-operations.txt";
  write_file(trace, std::string(kEvent) + "\n");
  expect_refused(home, {"analyze", trace, "--hot", "50"}, {"--hot: is of", "--specs-out"});
  for (const Arguments& option :
       std::vector<Arguments>{{"--dtype", "f16"}, {"--ceiling", "100"}, {"--tokens", "3"}, {"--device-name", "x"}})
    expect_refused(home, {"analyze", trace, "--classic", option[0], option[1]},
                   {option[0] + ": is of shapes", "--classic"});
  expect_refused(home, {"analyze", trace, "--summary", "--top", "3"}, {"--top: is of", "--summary"});
  expect_refused(home, {"tune", trace, "--mix", "2"}, {"--mix: is of prompts", "--prefill"});
  expect_refused(home, {"tune", trace, "--no-proof", "--turns", "9"}, {"--turns: is of the proof"});
  expect_refused(home, {"table", "diff", table, table, "--threads", "1"}, {"--threads: is of show and check"});
  expect_refused(home, {"report", table, "--dtype", "f16", "--out", home.folder / "p.html"}, {"--dtype: is of traces"});
  expect_refused(home, {"audit", operations, "--max-rel", "0.1"}, {"--max-rel: is of probe logs"});
  expect_refused(home, {"opbench", "--row", ""}, {"--row", "says nothing"});
  expect_refused(home, {"opbench", "--row", "Sum"}, {"--row Sum: no row"});
  expect_refused(home, {"opbench", "--row", "Sum / dim=6x20 axi=5"}, {"--row Sum", "axi=5 is no dimension", "has 2"});
  const Ended classic =
      home.run({"analyze", trace, "--classic", "--top", "3", "--csv", home.folder / "o.csv", "--dtype", "f16"});
  EXPECT_EQ(classic.exit_code, 0) << "a CSV has shapes, so their options do something: " << classic.err;
}

TEST(cli_options, a_table_section_that_applies_nowhere_is_named) {
  const Home home;
  Json table = parse_json(read_file(std::string(ASSAY_SOURCE_DIR) + "/tables/cpu.json"), "cpu.json");
  const fs::path good = home.folder / "good.json", odd = home.folder / "odd.json";
  write_file(good, table.dump());
  EXPECT_EQ(home.run({"table", "check", good}).err, "");
  Json section = table["devices"][0];
  section["isa"] = "\u202eavx9\n";
  table["devices"].push_back(section);
  write_file(odd, table.dump());
  const Ended ended = home.run({"table", "check", odd});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.err, "isa \"avx9\" applies nowhere")) << ended.err;
}

/// What a trace says of itself reaches a terminal without what that would obey; a pipe gets the classic bytes.
TEST(cli_options, names_of_a_trace_are_printable) {
  const Home home;
  std::string event = kEvent;
  event.replace(event.find("\"a\""), 3, R"("a\u001b[31m\u0000\u202e<script>")");
  write_file(home.folder / "t.jsonl", event + "\n" + event + "\n");
  const auto screen = [&](const std::string& more) {
    return run_in_shell(home, "script -qec \"$ASSAY analyze " + more + " t.jsonl\" /dev/null").out;
  };
  if (!has(screen("--full"), "script>")) GTEST_SKIP() << "no terminal here: " << screen("--full");
  for (const std::string more : {"--full", "--classic", "--csv -", "--markdown -"}) {
    const std::string shown = screen(more);
    EXPECT_FALSE(has(shown, "\x1b[31m")) << more << shown;
    EXPECT_FALSE(has(shown, "\u202e")) << more << shown;
    EXPECT_EQ(shown.find('\0'), std::string::npos) << more << shown;
  }
  EXPECT_TRUE(has(home.run({"analyze", home.folder / "t.jsonl", "--classic"}).out, "\x1b[31m")) << "a pipe: as it was";
}

}  // namespace
}  // namespace assay
