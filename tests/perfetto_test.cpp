// Laws of the timeline that ui.perfetto.dev opens: the Trace Event Format's fields, slices that nest, one token alone.
#include "report/perfetto.h"

#include "assay_program.h"
#include "timed_trace.h"

namespace assay {
namespace {

/// Two prompt tokens and three decoded ones; each op waits for its buffer, the last ones of a token end it.
Trace small_run() {
  Trace trace;
  int64_t at = 0;
  for (int i = 0; i < 2; ++i) {
    trace.buffer(at += 100, "Prompt Processing/block_0", 80, 60);
    trace.buffer(at += 50, "Prompt Processing/generation_step_output", 40, 30);
  }
  for (int i = 0; i < 3; ++i) {
    trace.buffer(at += 100, "Generation Loop/block_0", 80, 60);
    trace.buffer(at += 50, "Generation Loop/generation_step_output", 40, 30);
    trace.cpu(at, "forward_step_total", 145);
    trace.cpu(at += 10, "iteration_total", 158);
  }
  return trace;
}

class perfetto : public testing::Test {
 protected:
  Json timeline(const std::string& text, const Arguments& more = {}) {
    const fs::path file = home_.folder / "run.jsonl", to = home_.folder / "run.json";
    write_file(file, text);
    Arguments arguments = {"analyze", file.string(), "--format", "perfetto=" + to.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    ended_ = home_.run(arguments);
    EXPECT_EQ(ended_.exit_code, 0) << ended_.err;
    return Json::parse(read_file(to));
  }
  Home home_;
  Ended ended_;
};

std::vector<Json> events(const Json& json, const std::string& phase) {
  std::vector<Json> found;
  for (const Json& event : json.at("traceEvents"))
    if (event.at("ph") == phase) found.push_back(event);
  return found;
}

TEST_F(perfetto, each_event_has_what_the_format_asks_for) {
  const Json json = timeline(small_run().text);
  EXPECT_TRUE(json.at("displayTimeUnit") == "ns" || json.at("displayTimeUnit") == "ms");
  for (const Json& event : json.at("traceEvents")) {
    const std::string phase = event.at("ph");
    EXPECT_TRUE(event.at("pid").is_whole() && event.at("tid").is_whole()) << event;
    EXPECT_TRUE(event.at("name").is_string() && event.at("args").is_object()) << event;
    if (phase == "M") continue;
    EXPECT_GE(event.at("ts").get<double>(), 0) << event;
    if (phase == "X") {
      EXPECT_GE(event.at("dur").get<double>(), 0) << event;
      EXPECT_TRUE(event.at("cat").is_string()) << event;
    } else {
      ASSERT_EQ(phase, "C") << event;
      for (const auto& [name, value] : event.at("args").items()) EXPECT_TRUE(value.is_number()) << event;
    }
  }
}

TEST_F(perfetto, slices_of_a_track_lie_apart_or_within_each_other) {
  const Json json = timeline(small_run().text);
  std::map<int64_t, std::vector<std::pair<double, double>>> open;
  for (const Json& event : events(json, "X")) {
    const double begin = event["ts"], end = begin + event["dur"].get<double>();
    auto& stack = open[event["tid"]];
    while (!stack.empty() && stack.back().second <= begin + 1e-6) stack.pop_back();
    EXPECT_TRUE(stack.empty() || end <= stack.back().second + 1e-6) << event;
    stack.emplace_back(begin, end);
  }
  EXPECT_EQ(open.size(), 4u);  // tokens, ops, device, host
}

TEST_F(perfetto, an_op_holds_its_wait_and_the_device_has_a_track_of_its_own) {
  const Json json = timeline(small_run().text);
  std::vector<Json> ops, waits, buffers;
  for (const Json& event : events(json, "X"))
    (event["cat"] == "op" ? ops : event["cat"] == "wait" ? waits : buffers).push_back(event);
  ASSERT_EQ(ops.size(), 10u);
  ASSERT_EQ(waits.size(), 10u);
  EXPECT_EQ(ops[0]["tid"], waits[0]["tid"]);
  EXPECT_EQ(ops[0]["name"], "block_0/kernel");
  EXPECT_EQ(ops[0]["ts"].get<double>(), 0);  // the clock begins with the first slice
  EXPECT_EQ(waits[0]["ts"].get<double>() - ops[0]["ts"].get<double>(), 2);
}

TEST_F(perfetto, counters_tell_tokens_and_positions) {
  const Json json = timeline(small_run().text);
  std::vector<Json> tokens, positions;
  for (const Json& event : events(json, "C")) (event["name"] == "tokens" ? tokens : positions).push_back(event["args"]);
  ASSERT_EQ(tokens.size(), 5u);
  EXPECT_EQ(tokens.back(), Json({{"prompt", 2}, {"decoded", 3}}));
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(positions[i]["position"], i);
}

TEST_F(perfetto, one_token_alone) {
  const Json all = timeline(small_run().text), one = timeline(small_run().text, {"--token", "3"});
  std::vector<Json> tokens;
  for (const Json& event : events(one, "X"))
    if (event["cat"] == "token") tokens.push_back(event);
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0]["name"], "decoded token 3");
  EXPECT_EQ(tokens[0]["args"]["position"], 3);
  EXPECT_EQ(events(one, "X").size(), 1u + 6 + 2);  // itself, two buffers of three events, two totals
  EXPECT_EQ(events(all, "X").size(), 5u + 5 * 6 + 3 * 2);
}

TEST_F(perfetto, a_token_that_is_not_there_is_an_error) {
  write_file(home_.folder / "run.jsonl", small_run().text);
  const Ended ended = home_.run({"analyze", (home_.folder / "run.jsonl").string(), "--token", "5", "--format",
                                 "perfetto=" + (home_.folder / "x.json").string()});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(has(ended.err, "--token 5: ") && has(ended.err, "has 5 tokens")) << ended.err;
  EXPECT_FALSE(fs::exists(home_.folder / "x.json"));
}

TEST_F(perfetto, what_has_no_time_is_counted_and_not_drawn) {
  Trace trace = small_run();
  trace.op(-1, "Generation Loop/lost/kernel", 10);
  const Json json = timeline(trace.text);
  EXPECT_EQ(json["otherData"]["events_without_time"], "1");
  EXPECT_TRUE(has(ended_.err, "1 timed events have no usable time stamp")) << ended_.err;
}

TEST(timeline, slices_that_overlap_get_lanes_of_their_own) {
  std::vector<Slice> slices(3);
  slices[0].begin_ns = 0, slices[0].end_ns = 100'000;
  slices[1].begin_ns = 50'000, slices[1].end_ns = 150'000;
  slices[2].begin_ns = 100'000, slices[2].end_ns = 200'000;
  lay_out(slices);
  EXPECT_EQ(slices[0].lane, 0u);
  EXPECT_EQ(slices[1].begin_ns, 100'000);  // the third goes on where the first ended
  EXPECT_EQ(slices[1].lane, 0u);
  EXPECT_EQ(slices[2].lane, 1u);
}

TEST(timeline, a_slice_that_rounding_made_too_short_still_holds_what_it_holds) {
  std::vector<Slice> slices(2);
  slices[0].begin_ns = 9'200, slices[0].end_ns = 19'200, slices[0].line = 1;
  slices[1].begin_ns = 10'000, slices[1].end_ns = 20'000, slices[1].line = 2;
  lay_out(slices);
  EXPECT_EQ(slices[0].line, 2u);  // the outer one comes first
  EXPECT_EQ(slices[0].begin_ns, 9'200);
  EXPECT_EQ(slices[1].lane, 0u);
}

TEST(timeline, slices_that_rounding_lets_overlap_follow_each_other) {
  std::vector<Slice> slices(2);
  slices[0].begin_ns = 14'053, slices[0].end_ns = 15'053, slices[0].line = 1;
  slices[1].begin_ns = 14'645, slices[1].end_ns = 16'645, slices[1].line = 2;  // it took 1.592 µs, and says 2
  lay_out(slices);
  EXPECT_EQ(slices[0].line, 1u);
  EXPECT_EQ(slices[1].begin_ns, 15'053);
  EXPECT_EQ(slices[1].lane, 0u);
}

}  // namespace
}  // namespace assay
