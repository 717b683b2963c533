// What traces and `bench --ops` say of calls of attention, from the outside.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "base/json.h"
#include "refusals.h"
#include "text_lines.h"

namespace assay {
namespace {

TEST(engine_trace, a_trace_tells_how_many_positions_each_attention_sees) {
  const fs::path model = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-f16.gguf";
  if (!fs::exists(model)) GTEST_SKIP() << "no ../shared/data/models here";
  const Home home;
  const fs::path trace = home.folder / "t.jsonl", specs = home.folder / "specs.json";
  ASSERT_EQ(home.run({"run", model, "--raw", "-p", "a b c", "-n", "12", "--trace", trace, "--quiet"}).exit_code, 0);
  std::istringstream lines(read_file(trace));
  std::map<std::pair<int, int>, int> calls;  // by rows and length
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find("\"length\":\"");
    if (at == std::string::npos) continue;
    const size_t m = line.find("\"m\":\"");
    ++calls[{std::stoi(line.substr(m + 5)), std::stoi(line.substr(at + 10))}];
  }
  ASSERT_EQ(calls.size(), 12u) << "a prompt of 3 and 11 tokens drawn";
  const int layers = calls.begin()->second;
  std::map<std::pair<int, int>, int> expected = {{{3, 3}, layers}};
  for (int length = 4; length < 15; ++length) expected[{1, length}] = layers;
  EXPECT_EQ(calls, expected);
  const Ended report = home.run({"analyze", trace, "--specs-out", specs, "--hot", "0"});
  ASSERT_EQ(report.exit_code, 0) << report.err;
  EXPECT_TRUE(has(report.out, "L:4..14")) << report.out;
  const std::string text = read_file(specs);
  EXPECT_TRUE(has(text, "attention_length") && has(text, "length=4..14")) << text;
  EXPECT_FALSE(has(text, "length=256")) << text;
  const Ended plan = home.run({"probe", "--specs", specs, "--workload", "t", "--dry-run"});
  EXPECT_TRUE(has(plan.out, "attention")) << plan.out << plan.err;
}

TEST(engine_trace, the_summary_says_that_a_prompts_time_is_of_all_its_tokens) {
  const fs::path model = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-f16.gguf";
  if (!fs::exists(model)) GTEST_SKIP() << "no ../shared/data/models here";
  const Home home;
  const fs::path trace = home.folder / "t.jsonl", text = home.folder / "text";
  std::string words;
  for (int i = 0; i < 100; ++i) words += "a b ";
  write_file(text, words);
  const Ended ran = home.run({"run", model, "--raw", "-f", text, "-n", "4", "--trace", trace});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const size_t at = ran.err.find("prompt: ") + 8;
  const std::string tokens = ran.err.substr(at, ran.err.find(' ', at) - at);
  const std::string summary = home.run({"analyze", "--summary", trace}).out;
  EXPECT_TRUE(has(summary, "ms per decoded token and per pass of a prompt")) << summary;
  EXPECT_TRUE(has(summary, "ms per pass of " + tokens + " tokens")) << summary;
  EXPECT_EQ(home.run({"analyze", "--classic", trace}).exit_code, 0);
}

TEST(engine_trace, bench_tells_the_mean_length_of_an_ops_calls) {
  const fs::path model = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-f16.gguf";
  if (!fs::exists(model)) GTEST_SKIP() << "no ../shared/data/models here";
  const Home home;
  const Ended bench = home.run({"bench", model, "-p", "8", "-n", "6", "-r", "2", "--ops", "--format", "json"});
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const Json parsed = Json::parse(bench.out);
  for (const Json& row : parsed["rows"]) {
    std::vector<int> lengths;
    for (const Json& op : row["ops"]) {
      const auto spec = op["spec"].get<std::string>();
      if (const size_t at = spec.find("| length="); at != std::string::npos)
        lengths.push_back(std::stoi(spec.substr(at + 9)));
    }
    ASSERT_EQ(lengths.size(), 1u);
    EXPECT_LE(lengths[0], 8 + 6) << "the cache has room for 256";
  }
}

}  // namespace
}  // namespace assay
