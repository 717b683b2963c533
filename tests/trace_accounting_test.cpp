// The rules of docs/trace-accounting.md about parts and oddities, each on a trace small enough to add up by hand.
#include "report/accounting_report.h"
#include "timed_trace.h"

namespace assay {
namespace {

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

TEST(trace_accounting, a_trace_without_durations_has_no_sections) {
  Trace trace;
  trace.line(1, "GgufFileMmap", R"("size_bytes":1)");
  EXPECT_EQ(accounting_text(trace.read()), "");
  EXPECT_EQ(accounting_text(Trace().read()), "");
}

}  // namespace
}  // namespace assay
