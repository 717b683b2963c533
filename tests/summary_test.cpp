// One screen: whatever the trace, at most 40 lines of 80 columns, with what people want first; and when it is shown.
#include "assay_program.h"
#include "base/terminal.h"
#include "report/summary_text.h"
#include "timed_trace.h"

namespace assay {
namespace {

struct Summarized {
  StringTable strings;
  ClassicCounts counts;
  ShapeCounts gpu;
  TimeAccounting accounting;
  Accounts accounts;
  ShapeReport shapes;
  ReadTotals totals;

  explicit Summarized(const std::string& text, const ShapeOptions& options = {}) {
    EventConsumer* const consumers[] = {&counts, &gpu, &accounting};
    totals = read_trace(std::make_unique<MemorySource>(text), strings, consumers);
    accounts = accounting.finish(strings);
    shapes = report_shapes(counts, gpu, strings, options);
  }
  std::string text(size_t width = 80) const {
    return summary_text({"run.jsonl", totals, counts, strings, accounts, shapes}, {20, false, width});
  }
};

void expect_fits(const std::string& text, size_t width) {
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 40) << text;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    EXPECT_LE(display_width(text.substr(at, end - at)), width) << text.substr(at, end - at);
    at = end + 1;
  }
}

std::string matmul(int n) {
  return R"({"op":"matmul","backend":"mlx","batch":"1","m":"1","n":")" + std::to_string(n) +
         R"(","k":"64","tA":"0","tB":"1"})";
}

/// Ten prompt and ten decoded tokens with many kernel types and shapes, and every kind of oddity.
std::string busy_trace() {
  Trace trace;
  trace.buffer(900, "Unscoped", 100, 50);
  for (int i = 1; i <= 20; ++i) {
    const std::string phase = i <= 10 ? "Prompt Processing" : "Generation Loop";
    const int64_t end = 1001 + 10'000 * i;
    for (int j = 1; j <= 12; ++j) {
      const std::string scope = phase + "/block_" + std::to_string(j);
      const std::string name = scope + "/" + scope + "/some::namespace::of::kernels::with_a_long_name::Kernel" +
                               std::string(1, char('A' + j));
      trace.op(end - 7000 + 500 * j, name, 400, matmul(64 * j))
          .op(end - 7000 + 500 * j, scope + "/cb_wait", 390)
          .op(end - 7000 + 500 * j, scope + "/cb_gpu", j % 3 ? 300 : 1);
    }
    trace.buffer(end - 1, phase + "/generation_step_output", 500, 400).op(end - 1, "Unscoped/cb_gpu", 9528);
    if (i > 10)
      trace.cpu(end, "block_3_total", 3000).cpu(end, "iteration_total", i == 15 ? 100'000 : i == 16 ? 500 : 9'999);
    trace.text += i % 3 ? "bad\n" : "[]\n{} {}\n";
    if (i % 5 == 0) trace.cpu(end - 20'000, "late", -5);
  }
  trace.buffer(3'000'000, kBlock, 100, 50);
  return trace.text;
}

TEST(summary, fits_on_a_screen_of_80_by_40_and_on_narrower_ones) {
  for (const char* dtype : {"", "q8_0"}) {
    ShapeOptions options;
    options.dtype = dtype;
    options.ceiling_gbps = *dtype ? 0.001 : 0;  // far too low: all is above it
    const Summarized busy(busy_trace(), options);
    for (const size_t width : {80, 60, 200}) expect_fits(busy.text(width), width);
  }
  expect_fits(Summarized("").text(), 80);
  expect_fits(Summarized(gpu_line("a", "1")).text(), 80);
}

TEST(summary, says_ms_per_token_kernel_types_shapes_and_anomalies) {
  const std::string text = Summarized(busy_trace()).text();
  EXPECT_TRUE(has(text, "ms per token")) << text;
  for (const char* row : {"\n  prompt ", "\n  decode ", "\n  load ", "KernelB", "Shapes that take most time",
                          "Anomalies (lines from 0)", "--full"})
    EXPECT_TRUE(has(text, row)) << row << text;
}

TEST(summary, ranks_shapes_by_what_is_to_be_won) {
  Trace trace;
  for (int i = 0; i < 10; ++i)
    for (const auto& [scope, n, us] : {std::tuple("a/slow", 64, 500), {"b/fast", 640'000, 600}})
      trace.op(-1, std::string(scope) + "/" + scope + "/k", us + 50, matmul(n))
          .op(-1, std::string(scope) + "/cb_gpu", us);
  ShapeOptions options;
  options.dtype = "f16";
  options.ceiling_gbps = 140;
  const std::string text = Summarized(trace.text, options).text();
  EXPECT_TRUE(has(text, "Shapes with most to win, ms (against 140 GB/s)")) << text;
  EXPECT_LT(text.find("N:64 "), text.find("N:640000")) << text;
}

TEST(summary, remarks_on_rates_that_no_device_reaches) {
  Trace trace;
  for (int i = 0; i < 10; ++i) trace.op(-1, "a/b/a/b/k", 50, matmul(640'000)).op(-1, "a/b/cb_gpu", 2);
  ShapeOptions options;
  options.dtype = "f16";
  const Summarized summarized(trace.text, options);
  EXPECT_TRUE(has(summarized.text(), "1 shape at a rate that no device reaches: 41")) << summarized.text();
  const std::string table = shapes_text(summarized.shapes);
  EXPECT_TRUE(has(table, "at a rate that no device reaches")) << table;
  EXPECT_FALSE(has(table, "the fastest reaches")) << table;
}

TEST(summary, is_shown_where_it_is_asked_for_and_a_pipe_gets_all_sections) {
  const Home home;
  const std::string trace = home.folder / "t.jsonl";
  write_file(trace, busy_trace());
  const Ended summary = home.run({"analyze", "--summary", trace}), piped = home.run({"analyze", trace}),
              full = home.run({"analyze", "--full", trace});
  EXPECT_EQ(summary.exit_code, 0) << summary.err;
  expect_fits(summary.out, 80);
  EXPECT_FALSE(has(summary.out, "=== Analyzing"));
  EXPECT_EQ(piped.out, full.out);
  EXPECT_TRUE(has(piped.out, "=== Analyzing"));
  EXPECT_EQ(home.run({"analyze", "--summary", "--full", trace}).exit_code, 2);
  EXPECT_EQ(home.run({"analyze", "--summary", "--classic", trace}).exit_code, 2);
}

TEST(summary, is_what_a_terminal_gets_unless_an_option_of_the_classic_report_is_given) {
  if (std::system("script --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "script(1) is not here to make a terminal";
  const Home home;
  const std::string trace = home.folder / "t.jsonl";
  write_file(trace, gpu_line("a", "1"));
  const auto on_terminal = [&](const std::string& options) {
    const std::string command = std::string(ASSAY_PROGRAM) + " analyze " + options + " " + trace;
    std::system(("script -qec '" + command + "' " + (home.folder / "typed").string() + " > /dev/null 2>&1 < /dev/null")
                    .c_str());
    return read_file(home.folder / "typed");
  };
  EXPECT_FALSE(has(on_terminal(""), "=== Analyzing"));
  EXPECT_TRUE(has(on_terminal(""), "--full shows all sections"));
  for (const char* options : {"--full", "--classic", "--top 3", "--kernel-filter a"})
    EXPECT_TRUE(has(on_terminal(options), "=== Analyzing")) << options;
}

TEST(summary, takes_the_ceiling_of_a_device_here_from_the_store_when_the_trace_ran_on_it) {
  const Home home;
  const std::string trace = home.folder / "t.jsonl";
  write_file(trace, gpu_line("matmul/k", "9", R"(,"data":)" + matmul(64)));
  const Arguments named = {"analyze", "--summary", "--dtype", "f16", "--device-name", "CPU:0", trace};
  const Ended before = home.run(named);
  EXPECT_EQ(before.exit_code, 0) << before.err;
  EXPECT_TRUE(has(before.err, "cpu:0 here, which was never measured: --ceiling cpu:0 does")) << before.err;
  ASSERT_EQ(home.run({"analyze", "--ceiling", "cpu:0", trace}).exit_code, 0);
  const Ended after = home.run(named);
  EXPECT_TRUE(has(after.err, "cpu:0 here, which was measured to read")) << after.err;
  EXPECT_TRUE(has(after.out, "Shapes with most to win")) << after.out;
  EXPECT_EQ(home.run({"analyze", "--summary", "--device-name", "Apple M1", trace}).err, "");
}

}  // namespace
}  // namespace assay
