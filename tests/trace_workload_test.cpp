// Workload files out of traces: what is given back, families, what is left out; and analyze and probe as programs.
#include "analysis/trace_workload.h"

#include "assay_program.h"
#include "base/json.h"
#include "shape_traces.h"
#include "spec/workload.h"

namespace assay {
namespace {

class specs_out : public testing::Test {
 protected:
  static Workload load(const ShapeReport& report, TraceWorkloadOptions options = {}) {
    options.trace = "dir/small.jsonl.zst";
    return parse_workload(trace_workload(report, options).json, "made");
  }
};

TEST_F(specs_out, gives_back_every_spec_with_its_calls_times_and_lines) {
  const Analyzed a(small_model(), with_dtype_of("q8_0"));
  const Workload workload = load(a.report);
  EXPECT_EQ(workload.name, "small");
  EXPECT_EQ(workload.sources[0].tokens, 9);
  const WorkloadEntry& gate = workload.entries.at(1);
  EXPECT_EQ(gate.spec.math_line(), a.report.shapes[1].spec->math_line());
  EXPECT_EQ(gate.spec.line(), a.report.shapes[1].spec->line());
  EXPECT_EQ(gate.calls_per_token, 1);
  ASSERT_EQ(gate.sources.size(), 1u);
  EXPECT_EQ(gate.sources[0].line_number, 1);
  EXPECT_EQ(gate.sources[0].rules, a.report.shapes[1].rules);
  EXPECT_EQ(gate.sources[0].observations[0].backend, "gemv");
  EXPECT_DOUBLE_EQ(gate.sources[0].observations[0].avg_ms, 0.3);
  EXPECT_EQ(gate.sources[0].observations[0].count, 9);
}

TEST_F(specs_out, lengths_called_alike_become_a_family_so_that_all_calls_are_priced) {
  const Analyzed a(small_model(), with_dtype_of("q8_0"));
  const Workload workload = load(a.report);
  ASSERT_EQ(workload.families.size(), 2u);
  for (const WorkloadFamily& family : workload.families) {
    EXPECT_EQ(family.first, 1);
    EXPECT_EQ(family.last, 9);
    EXPECT_DOUBLE_EQ(family.calls_per_token_each, 1.0 / 9);
  }
  EXPECT_EQ(workload.entries.size(), 2u + 3 + 3);
  double calls = 0;
  for (const WorkloadEntry& entry : workload.entries) calls += entry.family.empty() ? entry.calls_per_token : 0;
  EXPECT_DOUBLE_EQ(calls + 2 * 9 * workload.families[0].calls_per_token_each, 4);
}

TEST_F(specs_out, hot_0_takes_every_complete_shape) {
  const Analyzed a(small_model(), with_dtype_of("q8_0"));
  EXPECT_EQ(load(a.report, {.least_percent = 0}).entries.size(), 20u);
  const TraceWorkload cold = trace_workload(a.report, {.trace = "t", .least_percent = 0});
  EXPECT_EQ(cold.left_out, 1u);  // the one without a type
  EXPECT_NE(cold.json.find("of the shapes' time"), std::string::npos) << "all ops are in it, not products alone";
}

TEST_F(specs_out, counts_that_differ_end_a_family_and_the_calls_still_add_up) {
  std::string text =
      small_model() +
      call("op=matmul_alpha_beta batch=14 m=1 n=10 k=64 tA=0 tB=1 loader=dense backend=mlx", "150", "12") +
      call("op=matmul_alpha_beta batch=14 m=1 n=10 k=64 tA=0 tB=1 loader=dense backend=mlx", "150", "12");
  const Workload workload = load(Analyzed(text, with_dtype_of("q8_0")).report, {.least_percent = 0});
  EXPECT_EQ(workload.families[0].last, 9);
}

TEST_F(specs_out, lines_of_one_maths_share_their_family) {
  std::string text;
  for (int n = 1; n <= 8; ++n)
    for (const std::string op : {"matmul", "matmul_cache"})
      text +=
          call("op=" + op + " batch=2 m=1 n=" + std::to_string(n) + " k=64 tA=0 tB=1 backend=x", "10", "5") + token();
  const Workload workload = load(Analyzed(text, with_dtype_of("f16")).report);
  ASSERT_EQ(workload.families.size(), 1u);
  EXPECT_DOUBLE_EQ(workload.families[0].calls_per_token_each, 2.0 / 16);
}

TEST_F(specs_out, without_tokens_nothing_is_counted_and_the_file_still_loads) {
  const Workload workload = load(Analyzed(call(kPlain, "10", "4"), with_dtype_of("f16")).report);
  EXPECT_EQ(workload.sources[0].tokens, 0);
  EXPECT_EQ(workload.entries.at(0).calls_per_token, 0);
}

TEST_F(specs_out, nothing_to_probe_is_an_error_that_says_what_to_do) {
  const auto message = [](const std::string& text) {
    try {
      trace_workload(Analyzed(text).report, {.trace = "t.jsonl"});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_TRUE(has(message(""), "t.jsonl: no event describes a matmul"));
  EXPECT_TRUE(has(message(call(kPlain, "1", "1")), "--dtype")) << message(call(kPlain, "1", "1"));
}

class analyze_program : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) const {
    write_file(home_.folder / name, bytes);
    return home_.folder / name;
  }
  Home home_;
};

TEST_F(analyze_program, the_file_it_writes_and_the_trace_itself_give_probe_the_same_plan) {
  const std::string trace = write("small.jsonl", small_model()), specs = home_.folder / "w.json";
  const Ended made = home_.run({"analyze", "--dtype", "q8_0", "--specs-out", specs, trace});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  const Ended by_file = home_.run({"probe", "--specs", specs, "--dry-run"}),
              by_trace = home_.run({"probe", "--from", trace, "--dtype", "q8_0", "--dry-run"});
  EXPECT_EQ(by_file.exit_code, 0) << by_file.err;
  EXPECT_EQ(by_file.out, by_trace.out);
  EXPECT_TRUE(has(by_trace.out, "8 specs, ")) << by_trace.out;
}

TEST_F(analyze_program, json_on_stdout_is_json_whatever_lines_are_bad) {
  const std::string trace = write("t.jsonl", "bad\n" + small_model());
  const Ended ended = home_.run({"analyze", "--json", "-", trace, trace});
  const Json json = Json::parse(ended.out);
  EXPECT_EQ(json["traces"].size(), 2u);
  EXPECT_EQ(json["traces"][0]["totals"]["not_json"], 1);
  EXPECT_EQ(json["traces"][0]["shapes"]["shapes"].size(), 21u);
  EXPECT_TRUE(has(ended.err, "Error parsing line 0: ")) << ended.err;
}

TEST_F(analyze_program, classic_alone_has_no_shapes_and_the_rest_follows_it) {
  const std::string trace = write("t.jsonl", small_model());
  const std::string classic = home_.run({"analyze", "--classic", trace}).out, all = home_.run({"analyze", trace}).out;
  EXPECT_EQ(all.rfind(classic, 0), 0u);
  EXPECT_FALSE(has(classic, "\nShapes: "));
  EXPECT_TRUE(has(all.substr(classic.size()), "\nShapes: "));
}

TEST_F(analyze_program, options_that_contradict_each_other_are_refused) {
  const std::string trace = write("t.jsonl", small_model());
  const auto refused = [&](Arguments arguments, const std::string& part) {
    arguments.insert(arguments.begin(), "analyze");
    const Ended ended = home_.run(arguments);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(has(ended.err, part)) << ended.err;
  };
  refused({"--json", "-", "--csv", "-", trace}, "standard output");
  refused({"--specs-out", home_.folder / "w.json", trace, trace}, "one trace");
  refused({"--dtype", "q9", trace}, "--dtype q9");
  refused({"--diff", "-", "-"}, "standard input");
  refused({"--ceiling", "0", trace}, "--ceiling");
}

TEST_F(analyze_program, from_a_trace_that_ends_early_nothing_is_probed) {
  const std::string trace = write("t.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10));
  const Ended ended = home_.run({"probe", "--from", trace, "--dtype", "f16", "--dry-run"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "ends early")) << ended.err;
}

}  // namespace
}  // namespace assay
