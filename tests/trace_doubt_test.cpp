// What an account does with totals and clocks that cannot be right, and with what is told twice.
#include <filesystem>

#include "report/accounting_report.h"
#include "timed_trace.h"

namespace assay {
namespace {

const std::string kOutput = "Generation Loop/generation_step_output",
                  kPrompt = "Prompt Processing/generation_step_output";

/// A decoded token of `us` that ends at `end_us`: its forward pass takes a tenth less. The engine says that it took
/// `total_us`.
void add_token(Trace& trace, int64_t end_us, int64_t us, int64_t total_us, bool stamped = true) {
  const auto at = [&](int64_t time_us) { return stamped ? time_us : -1; };
  for (int part = 1; part <= 8; ++part) trace.buffer(at(end_us - us + part * us / 10), kBlock, us / 10, us / 20);
  trace.buffer(at(end_us), kOutput, us / 10, us / 20);
  trace.cpu(at(end_us), "iteration_total", total_us);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(trace_doubt, a_total_shorter_than_the_forward_pass_is_no_wall) {
  for (const bool stamped : {true, false}) {
    Trace trace;
    trace.buffer(stamped ? 1000 : -1, kPrompt, 100, 50);
    for (int i = 1; i <= 5; ++i) add_token(trace, 1000 + 10'000 * i, 10'000, i == 1 ? 700 : 10'000, stamped);
    const Accounts a = trace.read();
    EXPECT_EQ(a.decode.tokens, 5u);
    EXPECT_EQ(a.decode.parts.wall_ns, (stamped ? 50'000 : 49'000) * 1000) << "without a clock, as long as its parts";
    EXPECT_EQ(a.load.wall_ns + a.outside.wall_ns, 0);
    EXPECT_EQ(a.anomalies.short_totals.times, 1u);
    EXPECT_TRUE(has(accounting_text(a), "iteration_total shorter than the forward pass")) << accounting_text(a);
  }
}

TEST(trace_doubt, with_one_decoded_token_the_forward_pass_is_not_load) {
  Trace trace;
  add_token(trace, 11'000, 10'000, 700);
  const Accounts a = trace.read();
  EXPECT_EQ(a.decode.tokens, 1u);
  EXPECT_EQ(a.load.wall_ns, 0);
  EXPECT_EQ(a.decode.parts.gpu_ns, 4'500'000);
}

TEST(trace_doubt, a_forward_step_total_says_how_long_a_forward_pass_was_where_no_buffer_does) {
  Trace trace;
  trace.cpu(1000, "work", 0);
  for (int i = 1; i <= 3; ++i)
    trace.cpu(1000 + 100 * i, "forward_step_total", 90).cpu(1000 + 100 * i, "iteration_total", i == 2 ? 10 : 100);
  const Accounts a = trace.read();
  EXPECT_EQ(a.anomalies.short_totals.times, 1u);
  EXPECT_EQ(a.decode.parts.wall_ns, 300'000);
}

TEST(trace_doubt, a_total_that_begins_before_the_token_before_ended_is_cut_there) {
  Trace trace;
  trace.line(1001, "GgufFileMmap", R"("size_bytes":1)");
  for (int i = 1; i <= 20; ++i) add_token(trace, 1001 + 10'000 * i, 10'000, i == 1 || i == 9 ? 254'000 : 10'000);
  const Accounts a = trace.read();
  EXPECT_EQ(a.decode.parts.wall_ns, 200'000'000);
  EXPECT_EQ(a.anomalies.early_totals.times, 2u);
  EXPECT_EQ(a.anomalies.early_totals.largest_ns, 244'000'000);
  EXPECT_NEAR(a.decode.wall_us_by_position.fit().slope, 0, 1e-9);
}

TEST(trace_doubt, one_wild_wall_does_not_bend_the_slope_and_walls_are_quoted_where_they_were_seen) {
  Trace trace;
  for (int i = 0; i < 5; ++i) trace.buffer(-1, kPrompt, 100, 50);
  for (int i = 0; i < 20; ++i) add_token(trace, 0, 10'000, i == 0 ? 600'000 : 11'000 + 100 * i, false);
  const std::string text = accounting_text(trace.read());
  EXPECT_TRUE(has(text,
                  "decode wall: +100.000us (+100.000 to +100.000) per token of context | 11.000ms at position 5, "
                  "12.900ms at 24\n"))
      << text;
}

TEST(trace_doubt, fewer_than_eight_tokens_have_no_slope) {
  Trace trace;
  for (int i = 1; i <= 7; ++i) add_token(trace, 20'000 * i, 10'000, 10'000 + 500 * i);
  EXPECT_FALSE(has(accounting_text(trace.read()), "Time against position"));
  add_token(trace, 160'000, 10'000, 14'000);
  EXPECT_TRUE(has(accounting_text(trace.read()), "decode wall: +500.000us"));
}

TEST(trace_doubt, parts_never_exceed_a_wall_whatever_the_stamps) {
  for (const int64_t unit_ns : {INT64_C(1000), INT64_C(1'000'000)})
    for (const bool stamped : {true, false}) {
      Trace trace;
      trace.unit_ns = unit_ns;
      for (int i = 1; i <= 4; ++i) {
        for (int j = 0; j < 20; ++j) trace.cpu(stamped ? 100 * i : -1, "work", 40);  // beside the buffers: 800 µs
        trace.buffer(stamped ? 100 * i : -1, kBlock, 90, 60).cpu(stamped ? 100 * i : -1, "iteration_total", 100);
      }
      const TimeParts& parts = trace.read().decode.parts;
      EXPECT_GE(parts.unattributed_ns(), 0) << unit_ns << stamped;
      EXPECT_LE(parts.gpu_ns, 240'000);
    }
}

TEST(trace_doubt, a_clock_that_jumps_ahead_within_a_token_is_named_and_lengthens_no_wall) {
  Trace trace;
  trace.buffer(500, kBlock, 500, 100)
      .buffer(3'600'001'000, kBlock, 500, 100)
      .cpu(3'600'001'000, "iteration_total", 1000);
  trace.buffer(3'600'001'600, kBlock, 500, 100).cpu(3'600'001'600, "iteration_total", 600);
  const Accounts a = trace.read();
  EXPECT_EQ(a.anomalies.jumps.times, 1u);
  EXPECT_EQ(a.anomalies.jumps.first_line, 3u);
  EXPECT_LE(a.decode.parts.wall_ns + a.load.wall_ns + a.outside.wall_ns, 1'700'000);
  EXPECT_TRUE(has(accounting_text(a), "time stamps jump ahead within a token (by 3600.000s at most"))
      << accounting_text(a);
}

TEST(trace_doubt, a_long_wait_between_sequences_is_no_jump) {
  Trace trace;
  add_token(trace, 11'000, 10'000, 10'000);
  trace.buffer(60'000'000, kPrompt, 100, 50);
  add_token(trace, 60'010'000, 10'000, 10'000);
  EXPECT_EQ(trace.read().anomalies.jumps.times, 0u);
}

TEST(trace_doubt, events_told_twice_are_named_and_counted_once) {
  for (const bool by_line : {true, false}) {
    Trace once, twice;
    for (int i = 1; i <= 10; ++i) {
      Trace token;
      token.buffer(10'000 * i - 3'001, kBlock, 4'000, 2'000).buffer(10'000 * i - 1, kOutput, 3'000, 1'000);
      token.cpu(10'000 * i - 1, "iteration_total", 7'000);
      once.text += token.text;
      if (!by_line) twice.text += token.text + token.text;
      for (size_t at = 0; by_line && at < token.text.size();) {
        const size_t end = token.text.find('\n', at) + 1;
        twice.text += token.text.substr(at, end - at) + token.text.substr(at, end - at);
        at = end;
      }
    }
    const Accounts a = twice.read(), expected = once.read();
    EXPECT_EQ(a.anomalies.events_twice.odd.times, 70u);
    EXPECT_EQ(a.anomalies.events_twice.of, 140u);
    EXPECT_TRUE(has(accounting_text(a), "the same events again: 70 of 140 timed events")) << accounting_text(a);
    EXPECT_EQ(a.decode.tokens, 10u);
    EXPECT_EQ(a.decode.parts.wall_ns, expected.decode.parts.wall_ns);
    EXPECT_EQ(a.decode.parts.gpu_ns, expected.decode.parts.gpu_ns);
    EXPECT_EQ(expected.anomalies.events_twice.odd.times, 0u);
  }
}

TEST(trace_doubt, a_file_joined_to_itself_is_named_with_and_without_stamps) {
  for (const bool stamped : {true, false}) {
    Trace trace;
    trace.line(stamped ? 1000 : -1, "GgufFileMmap", R"("size_bytes":1)");
    for (int i = 1; i <= 10; ++i) add_token(trace, 1001 + 10'000 * i, 10'000, 10'000 + i, stamped);
    trace.text += trace.text;
    const Accounts a = trace.read();
    EXPECT_TRUE(a.anomalies.runs_twice.times + a.anomalies.events_twice.odd.times > 0) << accounting_text(a);
    EXPECT_EQ(a.anomalies.crossing_waits.odd.times, 0u);
  }
}

TEST(trace_doubt, two_engines_in_one_file_are_named) {
  Trace both, one;
  for (int i = 1; i <= 100; ++i) {
    one.buffer(1000 * i, kBlock, 600, 300);
    both.buffer(1000 * i, kBlock, 600, 300).buffer(1000 * i + 311, kOutput, 590, 290);
  }
  EXPECT_EQ(one.read().anomalies.crossing_waits.odd.times, 0u);
  const Accounts a = both.read();
  EXPECT_GE(a.anomalies.crossing_waits.odd.times, 50u);
  EXPECT_TRUE(has(accounting_text(a), "two engines in one file?")) << accounting_text(a);
}

TEST(trace_doubt, what_only_a_clock_shows_is_left_out_where_there_is_none) {
  Trace trace;
  trace.unit_ns = 0;  // all written with one stamp
  for (int i = 1; i <= 20; ++i) {
    trace.cpu(1, "block_0_total", 40).cpu(1, "forward_step_total", 60).buffer(1, kBlock, 30 + i, 20);
    trace.cpu(1, "iteration_total", 90 + i);
  }
  const Accounts a = trace.read();
  EXPECT_TRUE(a.anomalies.nested.empty());
  EXPECT_EQ(a.anomalies.early_totals.times + a.anomalies.jumps.times + a.anomalies.crossing_waits.odd.times, 0u);
}

/// The shared inputs that broke an earlier account.
TEST(trace_doubt, the_shared_cases_give_sound_accounts) {
  const std::filesystem::path cases = std::filesystem::path(ASSAY_SOURCE_DIR) / "../shared/data/cases";
  if (!std::filesystem::exists(cases)) GTEST_SKIP() << cases << " is not here";
  const auto read = [&](const char* name) {
    StringTable strings;
    TimeAccounting accounting;
    EventConsumer* const consumers[] = {&accounting};
    read_trace(open_byte_source(cases / name), strings, consumers);
    return accounting.finish(strings);
  };
  const Accounts short_total = read("first_total_short.jsonl.gz");
  EXPECT_EQ(short_total.decode.tokens, 3u);
  EXPECT_EQ(short_total.anomalies.short_totals.times, 1u);
  EXPECT_NEAR(double(short_total.decode.parts.wall_ns), 15.42e6 * 3, 1e4);
  EXPECT_FALSE(short_total.decode.wall_us_by_position.is_known());

  const Accounts twice = read("every_line_twice.jsonl.gz");
  EXPECT_EQ(twice.anomalies.events_twice.odd.times, 1161u);
  EXPECT_EQ(twice.decode.tokens, 3u);
  EXPECT_EQ(twice.decode.parts.wall_ns, short_total.decode.parts.wall_ns);
  EXPECT_EQ(twice.decode.parts.gpu_ns, short_total.decode.parts.gpu_ns);

  const Accounts long_total = read("noprof_first_total_long.jsonl.gz");
  EXPECT_EQ(long_total.decode.tokens, 254u);
  EXPECT_NEAR(double(long_total.decode.parts.wall_ns) / 254, 11.573e6, 1e4);
  EXPECT_LT(std::abs(long_total.decode.wall_us_by_position.fit().slope), 1);

  const Accounts unstamped = read("no_stamps.jsonl.gz");
  EXPECT_GE(unstamped.decode.parts.unattributed_ns(), 0);
  EXPECT_EQ(unstamped.anomalies.short_totals.times, 1u);
  EXPECT_TRUE(unstamped.anomalies.nested.empty());
}

}  // namespace
}  // namespace assay
