// The generated traces tell what their truth says: the file's own events, added up by its conventions, give every part
// exactly.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "base/process.h"

namespace assay {
namespace {

struct Generated {
  std::vector<Json> events;
  Json truth;
  std::string text;
};

Generated generate(const std::vector<std::string>& options) {
  const std::filesystem::path file = testing::TempDir() + "assay-generated-" + std::to_string(getpid()) + ".jsonl";
  std::vector<std::string> command = {ASSAY_TRACE_GENERATOR, "-o", file};
  command.insert(command.end(), options.begin(), options.end());
  const ProcessResult made = run_process(command, 60);
  EXPECT_EQ(made.exit_code, 0) << made.output;
  Generated generated;
  generated.text = read_file(file);
  generated.truth = Json::parse(read_file(file.string() + ".truth.json"));
  std::istringstream lines(generated.text);
  for (std::string line; std::getline(lines, line);) {
    Json event = Json::parse_or_null(line);
    if (event.is_object() && event.contains("event") && event["event"].contains("type"))
      generated.events.push_back(std::move(event));
  }
  std::filesystem::remove(file);
  std::filesystem::remove(file.string() + ".truth.json");
  return generated;
}

struct Sum {
  int64_t gpu = 0, host = 0, cpu = 0, buffers = 0, began_ns = 0, ended_ns = 0;
};

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// One sum a token, by the conventions of bench/README.md; the load is the first.
std::vector<Sum> add_up(const Generated& trace) {
  std::vector<Sum> sums(1);
  int64_t op = -1, wait = -1;
  for (const Json& line : trace.events) {
    const Json& event = line["event"];
    const auto type = event["type"].get<std::string>(), name = event["data"].value_or<std::string>("op_name", ""),
               kernel = event["data"].value_or<std::string>("internal_kernel_name", "");
    const auto us = event["data"].value_or<int64_t>("duration_us", 0), now_ns = line["timestamp"].get<int64_t>();
    if (sums.back().began_ns == 0) sums.back().began_ns = sums.size() > 1 ? sums[sums.size() - 2].ended_ns : now_ns;
    if (type == "InternalKernelCompleted" && !ends_with(kernel, "_total")) sums.back().cpu += us;
    bool ended = kernel == "iteration_total";
    if (type == "GpuOpCompleted" && ends_with(name, "/cb_wait")) {
      wait = us;
    } else if (type == "GpuOpCompleted" && ends_with(name, "/cb_gpu")) {
      EXPECT_LE(us, wait);
      EXPECT_TRUE(op < 0 || wait <= op);
      sums.back().gpu += us, sums.back().host += (op >= 0 ? op : wait) - us, ++sums.back().buffers;
      op = -1;
      ended |= name == "Prompt Processing/generation_step_output/cb_gpu";
    } else if (type == "GpuOpCompleted") {
      op = us;
    }
    sums.back().ended_ns = now_ns;
    if (ended) sums.emplace_back();
  }
  sums.pop_back();
  return sums;
}

TEST(trace_generator, the_events_of_each_token_add_up_to_its_truth) {
  const Generated trace = generate({"--events", "20000", "--seed", "5"});
  const std::vector<Sum> sums = add_up(trace);
  const Json& tokens = trace.truth["tokens"];
  ASSERT_EQ(sums.size(), tokens.size());
  ASSERT_GT(tokens.size(), 8u);
  for (size_t i = 0; i < tokens.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(tokens[i][7], sums[i].buffers - (i == 0 ? trace.truth["load"]["buffers"].get<int64_t>() : 0));
    if (i == 0) continue;  // the load and the first token stand together here
    EXPECT_EQ(tokens[i][2], (sums[i].ended_ns - sums[i].began_ns) / 1000);
    EXPECT_EQ(tokens[i][3], sums[i].gpu);
    EXPECT_EQ(tokens[i][4], sums[i].host);
    EXPECT_EQ(tokens[i][5], sums[i].cpu);
    EXPECT_EQ(tokens[i][2], tokens[i][3].get<int64_t>() + tokens[i][4].get<int64_t>() + tokens[i][5].get<int64_t>() +
                                tokens[i][6].get<int64_t>());
    EXPECT_LE(tokens[i][6].get<double>(), 0.05 * tokens[i][2].get<double>())
        << "more unattributed time than an analyzer may leave";
  }
}

TEST(trace_generator, iteration_totals_are_the_walls_of_decoded_tokens) {
  const Generated trace = generate({"--events", "20000"});
  std::vector<int64_t> totals, walls;
  for (const Json& line : trace.events)
    if (line["event"]["data"].value_or<std::string>("internal_kernel_name", "") == "iteration_total")
      totals.push_back(line["event"]["data"]["duration_us"]);
  for (const Json& token : trace.truth["tokens"])
    if (token[0] == "decode") walls.push_back(token[2]);
  EXPECT_EQ(totals, walls);
}

TEST(trace_generator, shapes_and_types_are_counted_as_they_stand_in_the_file) {
  const Generated trace = generate({"--events", "9000", "--defects", "nested"});
  std::map<std::string, int64_t> types, calls, truth_calls;
  for (const Json& line : trace.events) {
    const Json& event = line["event"];
    ++types[event["type"]];
    if (event["type"] == "GpuOpCompleted" && event["data"].contains("data")) ++calls[event["data"]["data"]["backend"]];
  }
  for (const Json& shape : trace.truth["shapes"]) truth_calls[shape["backend"]] += shape["calls"].get<int64_t>();
  EXPECT_EQ(calls, truth_calls);
  EXPECT_EQ(Json(types), trace.truth["events_by_type"]);
}

TEST(trace_generator, writes_exactly_as_many_events_as_asked_and_the_same_for_the_same_seed) {
  for (const char* count : {"3500", "4999", "10001"}) {
    const Generated trace = generate({"--events", count, "--seed", "9"});
    EXPECT_EQ(std::to_string(trace.events.size()), count);
    EXPECT_EQ(trace.truth["bytes"], trace.text.size());
    EXPECT_EQ(generate({"--events", count, "--seed", "9"}).text, trace.text);
    EXPECT_NE(generate({"--events", count, "--seed", "10"}).text, trace.text);
  }
}

TEST(trace_generator, defects_stand_where_the_truth_says) {
  const Generated trace = generate({"--events", "50000", "--defects", "all"});
  std::vector<std::string> lines;
  std::istringstream text(trace.text);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  const auto line_of = [&](const char* defect) { return lines.at(trace.truth["defects"][defect]["first_line"]); };
  EXPECT_NE(line_of("malformed: NaN").find("NaN"), std::string::npos);
  EXPECT_EQ(line_of("malformed: blank"), "");
  EXPECT_NE(line_of("repeated").find("Unscoped/cb_gpu"), std::string::npos);
  EXPECT_NE(line_of("placeholder").find("cb_"), std::string::npos);
  EXPECT_EQ(line_of("cutoff"), lines.back());
  EXPECT_NE(trace.text.back(), '\n');
  // This test's own JSON reader takes an integer beyond 64 bits for a double; a trace reader must not.
  const int64_t beyond = trace.truth["defects"]["malformed: beyond 64 bits"]["count"];
  EXPECT_EQ(trace.truth["events"], int64_t(trace.events.size()) - beyond);
  EXPECT_EQ(trace.truth["lines"], lines.size());
}

}  // namespace
}  // namespace assay
