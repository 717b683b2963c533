// Where in a run time goes: load, prompt, decode and runs after each other, by position and by length, and the sums
// that show it.
#include "report/accounting_report.h"
#include "timed_trace.h"

namespace assay {
namespace {

TEST(trace_phases, prompt_and_decode_stand_apart_and_a_sequence_begins_with_a_prompt) {
  Trace trace;
  const std::string prompt = "Prompt Processing/block_0", output = "Prompt Processing/generation_step_output";
  trace.op(50, "Unscoped/cb_wait", 50).op(50, "Unscoped/cb_gpu", 10);
  trace.buffer(150, prompt, 100, 60).buffer(250, output, 100, 70);
  trace.buffer(350, prompt, 100, 60).buffer(455, output, 100, 70);
  trace.buffer(555, kBlock, 100, 50).cpu(560, "iteration_total", 105);
  trace.buffer(1100, prompt, 100, 60).buffer(1200, output, 100, 70);  // 440 µs later somebody asks again
  const Accounts a = trace.read();
  expect_parts(a.load, 50, 10, 40, 0, 0);
  EXPECT_EQ(a.prompt.tokens, 3u);
  expect_parts(a.prompt.parts, 200 + 205 + 200, 390, 210, 0, 5);
  expect_parts(a.decode.parts, 105, 50, 50, 0, 5);
  expect_parts(a.outside, 440, 0, 0, 0, 440);
  ASSERT_EQ(a.prompt.by_position.size(), 2u);
  EXPECT_EQ(a.prompt.by_position[0].tokens, 2u);
  EXPECT_EQ(a.decode.by_position.back().first, 2u);
}

TEST(trace_phases, a_pass_of_several_prompt_tokens_says_how_many_they_were) {
  Trace trace;
  const auto pass = [&](int64_t at, int rows, const char* end) {
    trace.op(at, "Prompt Processing/embedding/embedding/loop", 10,
             R"({"op":"embedding","backend":"cpu","m":")" + std::to_string(rows) + R"(","n":"64"})");
    trace.op(at, "Prompt Processing/embedding/cb_gpu", 10);
    if (*end) trace.buffer(at + 100, end, 90, 70);
  };
  const char* const output = "Prompt Processing/generation_step_output";
  pass(100, 64, "");
  pass(200, 36, output);
  pass(400, 60, output);
  pass(600, 7, "");  // never ends
  const Accounts a = trace.read();
  EXPECT_EQ(a.prompt.tokens, 2u);
  EXPECT_EQ(a.prompt.given_tokens, 160u);
  EXPECT_TRUE(accounting_text(a).find("is a pass of 80 tokens") != std::string::npos) << accounting_text(a);
}

TEST(trace_phases, an_engine_without_totals_decodes_from_output_to_output) {
  Trace trace;
  for (int i = 0; i < 4; ++i)
    trace.buffer(200 * i + 100, kBlock, 100, 50).buffer(200 * i + 200, "Generation Loop/logits", 90, 50);
  const Accounts a = trace.read();
  EXPECT_EQ(a.decode.tokens, 4u);
  expect_parts(a.decode.parts, 800, 400, 360, 0, 40);
  EXPECT_EQ(a.anomalies.cut_off_count, 0u);
}

TEST(trace_phases, a_trace_without_tokens_is_one_stretch) {
  Trace trace;
  trace.cpu(0, "start", 0).buffer(100, "a/b", 100, 50).buffer(250, "a/b", 100, 50);
  const Accounts a = trace.read();
  expect_parts(a.load, 250, 100, 100, 0, 50);
  EXPECT_NE(accounting_text(a).find("no end of a token was found"), std::string::npos);
}

TEST(trace_phases, a_run_that_ends_within_a_token_is_cut_off) {
  Trace trace;
  trace.buffer(100, kBlock, 100, 50).cpu(100, "iteration_total", 100).buffer(200, kBlock, 100, 50);
  const Accounts a = trace.read();
  ASSERT_EQ(a.anomalies.cut_offs.size(), 1u);
  EXPECT_EQ(a.anomalies.cut_offs[0].phase, Phase::decode);
  EXPECT_EQ(a.anomalies.cut_offs[0].tokens_before, 1u);
  EXPECT_EQ(a.anomalies.cut_offs[0].buffers, 1u);
  expect_parts(a.outside, 100, 50, 50, 0, 0);
}

TEST(trace_phases, a_model_loaded_again_or_a_clock_set_back_begins_another_run) {
  for (const bool by_clock : {false, true}) {
    Trace trace;
    trace.buffer(10'000'100, kBlock, 100, 50)
        .cpu(10'000'100, "iteration_total", 100)
        .buffer(10'000'200, kBlock, 100, 50);
    const int64_t began = by_clock ? 0 : 20'000'000;
    if (!by_clock) trace.line(began, "GgufFileMmap", R"("size_bytes":1)");
    trace.buffer(began + 100, kBlock, 100, 50).cpu(began + 100, "iteration_total", 100);
    const Accounts a = trace.read();
    EXPECT_EQ(a.anomalies.cut_off_count, 1u);
    EXPECT_EQ(a.decode.tokens, 2u);
    expect_parts(a.decode.parts, 200, 100, 100, 0, 0);
    EXPECT_EQ(a.anomalies.backwards.times, by_clock ? 1u : 0u);
  }
}

TEST(trace_phases, time_grows_with_the_length_that_n_or_k_is) {
  Trace trace;
  for (int i = 1; i <= 20; ++i) {
    const std::string n = std::to_string(i * 10),
                      map = R"({"op":"matmul_alpha_beta","backend":"mlx","n":")" + n + R"(","k":"64"})";
    const std::string weights = R"({"op":"matmul","backend":"mlx","n":"896","k":"64"})";
    trace.op(1000 * i, kBlock + "/" + kBlock + "/k", 200 + 5 * i, map)
        .op(1000 * i, kBlock + "/cb_wait", 190 + 5 * i)
        .op(1000 * i, kBlock + "/cb_gpu", 20 + 5 * i);
    trace.op(1000 * i + 500, kBlock + "/" + kBlock + "/k", 200, weights)
        .op(1000 * i + 500, kBlock + "/cb_wait", 190)
        .op(1000 * i + 500, kBlock + "/cb_gpu", 20);
  }
  const auto slopes = trace.read().slopes;
  ASSERT_EQ(slopes.size(), 1u);
  EXPECT_EQ(slopes[0].length, 'n');
  EXPECT_EQ(slopes[0].lengths, 20u);
  EXPECT_EQ(slopes[0].longest, 200u);
  EXPECT_TRUE(slopes[0].of_gpu);
  const RobustLine::Fit fit = slopes[0].us.fit();
  for (const double slope : {fit.slope, fit.low, fit.high}) EXPECT_NEAR(slope, 0.5, 1e-9);
}

TEST(trace_phases, positions_are_folded_into_64_buckets_that_lose_no_token) {
  Trace trace;
  for (int i = 1; i <= 300; ++i) trace.buffer(2000 * i, kBlock, 142, 100).cpu(2000 * i, "iteration_total", 1000 + i);
  const PhaseAccount& decode = trace.read().decode;
  ASSERT_LE(decode.by_position.size(), 64u);
  uint64_t tokens = 0;
  TimeParts sum;
  for (const PositionBucket& bucket : decode.by_position) {
    EXPECT_EQ(bucket.width, 8u);
    tokens += bucket.tokens;
    sum += bucket.parts;
  }
  EXPECT_EQ(tokens, 300u);
  EXPECT_EQ(sum.wall_ns, decode.parts.wall_ns);
  EXPECT_NEAR(decode.wall_us_by_position.fit().slope, 1, 1e-9);
}

TEST(trace_phases, a_stretch_of_any_length_is_folded_without_losing_time) {
  Trace trace;
  for (int64_t i = 1; i <= 140'000; ++i) trace.cpu(10 * i, "work", 7);
  const Accounts a = trace.read();
  expect_parts(a.load, 140'000 * 10 - 3, 0, 0, 140'000 * 7, 140'000 * 3 - 3);
}

TEST(log_histogram, percentiles_are_within_half_a_percent) {
  LogHistogram histogram;
  for (uint64_t i = 1; i <= 100'000; ++i) histogram.add(i);
  for (const double p : {1., 50., 95., 99., 100.}) EXPECT_NEAR(histogram.percentile(p) / (p * 1000), 1, 0.005) << p;
  LogHistogram large;
  large.add(UINT64_MAX);
  EXPECT_NEAR(large.percentile(50) / 0x1p40, 1, 0.005);
  EXPECT_EQ(LogHistogram().percentile(50), 0);
}

}  // namespace
}  // namespace assay
