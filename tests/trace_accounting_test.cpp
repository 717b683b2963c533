// The rules of docs/trace-accounting.md, each on a trace small enough to add up by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "report/accounting_report.h"
#include "trace/accounting.h"
#include "trace_lines.h"

namespace assay {
namespace {

constexpr int64_t kEpochNs = 1'762'100'000'000'000'000;

/// A trace written line by line; times in µs since it began, -1: no time stamp.
class Trace {
 public:
  Trace& op(int64_t at_us, const std::string& name, int64_t us, const std::string& matmul = "") {
    return line(at_us, "GpuOpCompleted",
                R"("op_name":")" + name + R"(","backend":"Metal",)" + duration(us) +
                    (matmul.empty() ? "" : R"(,"data":)" + matmul));
  }
  Trace& cpu(int64_t at_us, const std::string& name, int64_t us) {
    return line(at_us, "InternalKernelCompleted",
                R"("parent_op_name":"generation_loop","internal_kernel_name":")" + name + R"(",)" + duration(us));
  }
  /// Its op, wait and GPU time as an engine writes them that waits for each buffer; ends at `at_us`.
  Trace& buffer(int64_t at_us, const std::string& scope, int64_t op_us, int64_t gpu_us) {
    return op(at_us, scope + "/" + scope + "/kernel", op_us)
        .op(at_us, scope + "/cb_wait", op_us - 2)
        .op(at_us, scope + "/cb_gpu", gpu_us);
  }
  Trace& line(int64_t at_us, const std::string& type, const std::string& data) {
    const std::string stamp = at_us < 0 ? "" : R"("timestamp":)" + std::to_string(kEpochNs + at_us * unit_ns) + ",";
    text += "{" + stamp + R"("span_name":"s","event":{"type":")" + type + R"(","data":{)" + data + "}}}\n";
    return *this;
  }
  Accounts read() const {
    StringTable strings;
    TimeAccounting accounting;
    ClassicCounts counts;
    EventConsumer* const consumers[] = {&accounting, &counts};
    ReadOptions options;
    options.chunk_bytes = 4096;
    read_trace(std::make_unique<MemorySource>(text), strings, consumers, options);
    Accounts accounts = accounting.finish(strings);
    accounts.anomalies.placeholders = find_placeholders(counts, strings);
    return accounts;
  }

  std::string text;
  int64_t unit_ns = 1000;

 private:
  static std::string duration(int64_t us) { return R"("duration_us":)" + std::to_string(us); }
};

/// wall = GPU + host + CPU + unattributed, in µs.
void expect_parts(const TimeParts& parts, int64_t wall, int64_t gpu, int64_t host, int64_t cpu, int64_t unattributed) {
  EXPECT_EQ(parts.wall_ns, wall * 1000);
  EXPECT_EQ(parts.gpu_ns, gpu * 1000);
  EXPECT_EQ(parts.host_ns, host * 1000);
  EXPECT_EQ(parts.cpu_ns, cpu * 1000);
  EXPECT_EQ(parts.unattributed_ns(), unattributed * 1000);
}

const std::string kBlock = "Generation Loop/block_0";

TEST(trace_accounting, a_buffer_told_three_times_is_counted_once) {
  Trace trace;
  trace.cpu(0, "start", 0).buffer(142, kBlock, 142, 100).cpu(150, "sample", 5).cpu(160, "iteration_total", 160);
  const Accounts a = trace.read();
  EXPECT_EQ(a.decode.tokens, 1u);
  EXPECT_EQ(a.decode.parts.buffers, 1u);
  expect_parts(a.decode.parts, 160, 100, 42, 5, 13);
  EXPECT_EQ(a.pairing.whole, 1u);
}

TEST(trace_accounting, a_buffer_without_an_op_costs_what_its_wait_took) {
  Trace trace;
  trace.op(138, kBlock + "/cb_wait", 138).op(138, kBlock + "/cb_gpu", 3).cpu(140, "iteration_total", 140);
  expect_parts(trace.read().decode.parts, 140, 3, 135, 0, 2);
}

TEST(trace_accounting, an_op_without_a_scope_joins_the_next_wait_that_it_holds) {
  Trace trace;
  trace.buffer(100, kBlock, 100, 40)
      .op(300, "sample_topk_fused", 200)
      .op(300, "Generation Loop/cb_wait", 198)
      .op(300, "Generation Loop/cb_gpu", 90);
  trace.cpu(300, "iteration_total", 300);
  const Accounts a = trace.read();
  expect_parts(a.decode.parts, 300, 130, 170, 0, 0);
  EXPECT_EQ(a.decode.parts.buffers, 2u);
}

TEST(trace_accounting, buffers_of_two_scopes_may_be_interleaved) {
  Trace trace;
  const std::string x = "Generation Loop/x", y = "Generation Loop/y";
  trace.op(100, x + "/" + x + "/k", 100)
      .op(200, y + "/" + y + "/k", 100)
      .op(200, y + "/cb_wait", 99)
      .op(200, x + "/cb_wait", 199);
  trace.op(200, x + "/cb_gpu", 60).op(200, y + "/cb_gpu", 70).cpu(200, "iteration_total", 200);
  const Accounts a = trace.read();
  EXPECT_EQ(a.pairing.whole, 2u);
  EXPECT_EQ(a.pairing.without_gpu, 0u);
  expect_parts(a.decode.parts, 200, 130, 70, 0, 0);
  EXPECT_EQ(a.decode.parts.overlap_ns, 100'000);
}

TEST(trace_accounting, a_gpu_time_written_before_its_wait_is_paired_with_it) {
  Trace trace;
  trace.buffer(100, kBlock, 100, 40);  // the scope is one that is waited for
  trace.op(199, kBlock + "/cb_gpu", 50).op(201, kBlock + "/cb_wait", 101).cpu(201, "iteration_total", 201);
  const Accounts a = trace.read();
  EXPECT_EQ(a.pairing.whole, 2u);
  expect_parts(a.decode.parts, 201, 90, 111, 0, 0);
}

TEST(trace_accounting, an_op_written_after_its_wait_adds_only_what_the_wait_lacks) {
  Trace trace;
  trace.op(100, kBlock + "/cb_wait", 90).op(100, kBlock + "/cb_gpu", 40).op(100, kBlock + "/" + kBlock + "/k", 100);
  trace.cpu(100, "iteration_total", 100);
  expect_parts(trace.read().decode.parts, 100, 40, 60, 0, 0);
}

TEST(trace_accounting, overlapping_buffers_never_fill_more_than_the_wall) {
  Trace trace;
  trace.op(100, kBlock + "/cb_wait", 100).op(100, kBlock + "/cb_gpu", 60);
  trace.op(120, kBlock + "/cb_wait", 100).op(120, kBlock + "/cb_gpu", 60).cpu(121, "iteration_total", 121);
  const Accounts a = trace.read();
  expect_parts(a.decode.parts, 121, 120, 0, 0, 1);
  EXPECT_EQ(a.decode.parts.overlap_ns, 80'000);
}

TEST(trace_accounting, cpu_time_that_holds_a_buffer_counts_beside_it_only) {
  Trace trace;
  trace.buffer(90, kBlock, 80, 50).cpu(100, "encode_all", 100).cpu(100, "iteration_total", 100);
  expect_parts(trace.read().decode.parts, 100, 50, 30, 20, 0);
}

TEST(trace_accounting, a_wait_without_a_gpu_time_is_unattributed_and_said_to_be) {
  Trace trace;
  trace.buffer(100, kBlock, 100, 40).op(200, kBlock + "/cb_wait", 80).cpu(200, "iteration_total", 200);
  const Accounts a = trace.read();
  expect_parts(a.decode.parts, 200, 40, 60, 0, 100);
  EXPECT_EQ(a.decode.parts.unsplit_ns, 80'000);
  EXPECT_EQ(a.pairing.without_gpu, 1u);
  EXPECT_NE(accounting_text(a).find("1 waits and 0 ops without a GPU time, unattributed"), std::string::npos)
      << accounting_text(a);
}

TEST(trace_accounting, an_op_that_nothing_waits_for_is_unattributed) {
  Trace trace;
  trace.buffer(100, kBlock, 100, 40).op(150, "lonely", 50).cpu(150, "iteration_total", 150);
  const Accounts a = trace.read();
  expect_parts(a.decode.parts, 150, 40, 60, 0, 50);
  EXPECT_EQ(a.pairing.ops_alone, 1u);
}

TEST(trace_accounting, a_gpu_time_longer_than_its_wait_began_before_it) {
  Trace trace;
  trace.cpu(0, "start", 0)
      .op(100, kBlock + "/cb_wait", 10)
      .op(100, kBlock + "/cb_gpu", 80)
      .cpu(100, "iteration_total", 100);
  const Accounts a = trace.read();
  expect_parts(a.decode.parts, 100, 80, 0, 0, 20);
  EXPECT_EQ(a.pairing.late, 1u);
  EXPECT_TRUE(a.anomalies.repeated.empty());
  EXPECT_EQ(a.anomalies.lone_gpu.times, 0u);
}

TEST(trace_accounting, the_same_gpu_time_again_and_again_is_named_and_not_counted) {
  Trace trace;
  trace.op(100, "Unscoped/cb_wait", 100);
  for (int i = 0; i < 3; ++i) trace.op(100, "Unscoped/cb_gpu", 9528);  // between the events of another buffer
  trace.op(100, "Unscoped/cb_gpu", 60);
  for (int i = 0; i < 2; ++i) trace.op(100, "Unscoped/cb_gpu", 9528);
  trace.cpu(100, "iteration_total", 100);
  const Accounts a = trace.read();
  expect_parts(a.decode.parts, 100, 60, 40, 0, 0);
  ASSERT_EQ(a.anomalies.repeated.size(), 1u);
  EXPECT_EQ(a.anomalies.repeated[0].scope, "Unscoped");
  EXPECT_EQ(a.anomalies.repeated[0].us, 9528);
  EXPECT_EQ(a.anomalies.repeated[0].times, 5u);
  EXPECT_EQ(a.anomalies.repeated[0].first_line, 1u);
}

TEST(trace_accounting, where_nothing_waits_a_gpu_time_alone_is_a_buffer) {
  Trace trace;
  trace.cpu(0, "start", 0)
      .op(50, kBlock + "/cb_gpu", 50)
      .op(90, kBlock + "/cb_gpu", 30)
      .cpu(100, "iteration_total", 100);
  expect_parts(trace.read().decode.parts, 100, 80, 0, 0, 20);
}

TEST(trace_accounting, without_time_stamps_durations_are_added_up_and_totals_give_the_wall) {
  Trace trace;
  trace.buffer(-1, "Unscoped", 50, 20).buffer(-1, "Prompt Processing/generation_step_output", 200, 100);
  trace.buffer(-1, kBlock, 142, 100).cpu(-1, "sample", 5).cpu(-1, "iteration_total", 160);
  const Accounts a = trace.read();
  expect_parts(a.load, 50, 20, 30, 0, 0);
  expect_parts(a.prompt.parts, 200, 100, 100, 0, 0);
  EXPECT_EQ(a.prompt.tokens_without_wall, 1u);
  expect_parts(a.decode.parts, 160, 100, 42, 5, 13);
  EXPECT_EQ(a.decode.tokens_without_wall, 0u);
  EXPECT_EQ(a.tokens_without_clock, 2u);
}

TEST(trace_accounting, stamps_of_whole_milliseconds_do_not_stack_buffers_on_each_other) {
  Trace trace;
  trace.unit_ns = 1'000'000;
  for (int i = 0; i < 20; ++i) trace.buffer(1 + i / 10, kBlock, 100, 60);
  trace.cpu(3, "iteration_total", 2100);
  expect_parts(trace.read().decode.parts, 2100, 1200, 800, 0, 100);
}

TEST(trace_accounting, stamps_that_stand_still_do_not_either) {
  Trace trace;
  for (int i = 0; i < 3; ++i) trace.buffer(7, kBlock, 100, 60);
  trace.cpu(7, "iteration_total", 310);
  expect_parts(trace.read().decode.parts, 310, 180, 120, 0, 10);
}

TEST(trace_accounting, prompt_and_decode_stand_apart_and_a_sequence_begins_with_a_prompt) {
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

TEST(trace_accounting, an_engine_without_totals_decodes_from_output_to_output) {
  Trace trace;
  for (int i = 0; i < 4; ++i)
    trace.buffer(200 * i + 100, kBlock, 100, 50).buffer(200 * i + 200, "Generation Loop/logits", 90, 50);
  const Accounts a = trace.read();
  EXPECT_EQ(a.decode.tokens, 4u);
  expect_parts(a.decode.parts, 800, 400, 360, 0, 40);
  EXPECT_EQ(a.anomalies.cut_off_count, 0u);
}

TEST(trace_accounting, a_trace_without_tokens_is_one_stretch) {
  Trace trace;
  trace.cpu(0, "start", 0).buffer(100, "a/b", 100, 50).buffer(250, "a/b", 100, 50);
  const Accounts a = trace.read();
  expect_parts(a.load, 250, 100, 100, 0, 50);
  EXPECT_NE(accounting_text(a).find("no end of a token was found"), std::string::npos);
}

TEST(trace_accounting, a_run_that_ends_within_a_token_is_cut_off) {
  Trace trace;
  trace.buffer(100, kBlock, 100, 50).cpu(100, "iteration_total", 100).buffer(200, kBlock, 100, 50);
  const Accounts a = trace.read();
  ASSERT_EQ(a.anomalies.cut_offs.size(), 1u);
  EXPECT_EQ(a.anomalies.cut_offs[0].phase, Phase::decode);
  EXPECT_EQ(a.anomalies.cut_offs[0].tokens_before, 1u);
  EXPECT_EQ(a.anomalies.cut_offs[0].buffers, 1u);
  expect_parts(a.outside, 100, 50, 50, 0, 0);
}

TEST(trace_accounting, a_model_loaded_again_or_a_clock_set_back_begins_another_run) {
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

TEST(trace_accounting, totals_within_totals_are_named_by_the_nearest_holder) {
  Trace trace;
  for (int i = 0; i < 3; ++i) {
    const std::string block = "block_" + std::to_string(i);
    trace.cpu(100 * i + 40, "attention_total", 40)
        .cpu(100 * i + 80, "mlp_total", 40)
        .cpu(100 * i + 100, block + "_total", 100);
  }
  trace.cpu(310, "iteration_total", 310);
  const auto nested = trace.read().anomalies.nested;
  ASSERT_EQ(nested.size(), 3u);
  EXPECT_EQ(nested[0].inner + " " + nested[0].outer, "block_N_total iteration_total");
  EXPECT_EQ(nested[1].outer + nested[2].outer, "block_N_totalblock_N_total");
  for (const NestedTotal& n : nested) EXPECT_EQ(n.times, 3u);
}

TEST(trace_accounting, totals_beside_each_other_are_not_nested) {
  Trace trace;
  trace.cpu(100, "block_0_total", 100).cpu(200, "block_1_total", 100);
  EXPECT_TRUE(trace.read().anomalies.nested.empty());
}

TEST(trace_accounting, many_equal_round_durations_are_placeholders_and_equal_odd_ones_are_not) {
  Trace trace;
  for (int i = 0; i < 100; ++i) {
    trace.cpu(1000 * i, "measured", 1483 + i % 3)
        .cpu(1000 * i, "mixed", i % 4 == 0 ? 5000 : 3000 + 7 * i)
        .cpu(1000 * i, "short", 10);
    trace.op(1000 * i, "a/cb_wait", 100).op(1000 * i, "a/cb_gpu", i % 10 ? 40 : 1);
  }
  const Anomalies odd = trace.read().anomalies;
  ASSERT_EQ(odd.placeholders.size(), 2u);
  EXPECT_EQ(odd.placeholders[0].name, "a/cb_wait");
  EXPECT_EQ(odd.placeholders[1].name, "mixed");
  EXPECT_EQ(odd.placeholders[1].times, 25u);
  EXPECT_EQ(odd.placeholders[1].of, 100u);
  EXPECT_EQ(odd.minute_gpu.times, 10u);
  EXPECT_EQ(odd.minute_gpu.first_line, 4u);
}

TEST(trace_accounting, bad_lines_are_counted_by_kind_with_the_first_line) {
  Trace trace;
  trace.cpu(1, "a", 1);
  trace.text += "[]\n\n{\n[]\n";
  const auto bad = trace.read().anomalies.bad_lines;
  ASSERT_EQ(bad.size(), 2u);
  EXPECT_EQ(bad[0].kind, BadLine::Kind::wrong_shape);
  EXPECT_EQ(bad[0].lines, 2u);
  EXPECT_EQ(bad[0].first_line, 1u);
  EXPECT_EQ(bad[1].kind, BadLine::Kind::not_json);
  EXPECT_EQ(bad[1].first_line, 3u);
}

TEST(trace_accounting, kinds_of_bad_lines_are_bounded) {
  AnomalyWatch watch;
  for (uint64_t i = 0; i < 1000; ++i) watch.bad_line({i, BadLine::Kind::not_json, std::to_string(i)});
  Anomalies odd;
  watch.finish(StringTable(), odd);
  EXPECT_EQ(odd.bad_lines.size(), 65u);
  EXPECT_EQ(odd.bad_lines.back().lines, 1000u - 64u);
}

TEST(trace_accounting, time_that_runs_backwards_is_named_with_its_largest_step) {
  Trace trace;
  trace.cpu(100, "a", 1).cpu(90, "a", 1).cpu(95, "a", 1).cpu(120, "a", 1);
  const Anomalies odd = trace.read().anomalies;
  EXPECT_EQ(odd.backwards.times, 2u);
  EXPECT_EQ(odd.backwards.first_line, 1u);
  EXPECT_EQ(odd.backwards.largest_ns, 10'000);
}

TEST(trace_accounting, impossible_durations_and_stamps_change_no_sum) {
  Trace trace;
  trace.buffer(142, kBlock, 142, 100)
      .cpu(142, "a", -5)
      .cpu(142, "a", INT64_MAX)
      .op(142, kBlock + "/cb_wait", INT64_MIN);
  trace.text +=
      R"({"timestamp":-9223372036854775808,"event":{"type":"InternalKernelCompleted","data":{"parent_op_name":"p","internal_kernel_name":"a","duration_us":0}}})"
      "\n";
  trace.text += R"({"timestamp":9223372036854775807,"event":{"type":"HostMemory","data":{}}})"
                "\n";
  trace.cpu(150, "iteration_total", 150);
  const Accounts a = trace.read();
  expect_parts(a.decode.parts, 150, 100, 42, 0, 8);
  EXPECT_EQ(a.anomalies.odd_durations.times, 3u);
  EXPECT_EQ(a.anomalies.odd_durations.first_line, 3u);
  EXPECT_EQ(a.anomalies.unstamped.times, 2u);
}

TEST(trace_accounting, time_grows_with_the_length_that_n_or_k_is) {
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
  EXPECT_NEAR(slopes[0].us.slope(), 0.5, 1e-9);
  EXPECT_NEAR(slopes[0].us.slope_error(), 0, 1e-9);
}

TEST(trace_accounting, positions_are_folded_into_64_buckets_that_lose_no_token) {
  Trace trace;
  for (int i = 1; i <= 300; ++i) trace.buffer(1000 * i, kBlock, 142, 100).cpu(1000 * i, "iteration_total", 1000 + i);
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
  EXPECT_NEAR(decode.wall_us_by_position.slope(), 1, 1e-9);
}

TEST(trace_accounting, a_stretch_of_any_length_is_folded_without_losing_time) {
  Trace trace;
  for (int64_t i = 1; i <= 140'000; ++i) trace.cpu(10 * i, "work", 7);
  const Accounts a = trace.read();
  expect_parts(a.load, 140'000 * 10 - 3, 0, 0, 140'000 * 7, 140'000 * 3 - 3);
}

TEST(trace_accounting, a_trace_without_durations_has_no_sections) {
  Trace trace;
  trace.line(1, "GgufFileMmap", R"("size_bytes":1)");
  EXPECT_EQ(accounting_text(trace.read()), "");
  EXPECT_EQ(accounting_text(Trace().read()), "");
}

TEST(line_fit, finds_the_line_and_the_error_of_its_slope) {
  LineFit points, groups;
  for (const auto& [x, y] : {std::pair{0., 1.}, {1., 3.}, {2., 4.}, {2., 6.}}) points.add(x, y);
  groups.add_group(2, 2, 5, 2);
  groups.add_group(0, 1, 1, 0);
  groups.add_group(1, 1, 3, 0);
  for (const LineFit& fit : {points, groups}) {
    EXPECT_NEAR(fit.slope(), 2, 1e-12);
    EXPECT_NEAR(fit.at(0), 1, 1e-12);
    EXPECT_NEAR(fit.slope_error(), std::sqrt(2.0 / 2 / 2.75), 1e-12);
  }
  LineFit flat;
  for (int i = 0; i < 5; ++i) flat.add(3, i);
  EXPECT_FALSE(flat.is_known());
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
