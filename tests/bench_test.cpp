// assay bench from the outside: its forms, the repetition that it shows, the ops of a step.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "assay_program.h"
#include "text_lines.h"

namespace assay {
namespace {

class bench : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(model)) GTEST_SKIP() << "no ../shared/data/models here";
  }
  const fs::path model = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-f16.gguf";
  Home home;
};

TEST_F(bench, bench_shows_speed_in_every_form) {
  const Ended text = home.run({"bench", model, "-p", "8", "-n", "4", "-r", "2", "-t", "1,2"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(count_of(text.out, "decode 4"), 2u) << text.out;
  const Ended json = home.run({"bench", model, "-p", "8", "-n", "4", "-d", "0,16", "-r", "3", "--format", "json"});
  const Json parsed = Json::parse(json.out);
  ASSERT_EQ(parsed["rows"].size(), 4u);
  EXPECT_EQ(parsed["rows"][0]["seconds"].size(), 3u);
  for (const Json& row : parsed["rows"])
    EXPECT_EQ(row.contains("token_ms") ? row["token_ms"].size() : 0,
              row["test"].get<std::string>().starts_with("decode") ? 3u : 0u);
  EXPECT_EQ(parsed["rows"][3]["depth"], 16);
  const Ended deep = home.run({"bench", model, "-p", "0", "-n", "4", "-d", "16,300,900", "-r", "1", "--repeat-fill"});
  EXPECT_EQ(deep.exit_code, 0) << deep.err;
  EXPECT_TRUE(has(deep.out, "900")) << deep.out;
}

TEST_F(bench, bench_shows_the_median_repetition) {
  const Ended ended = home.run({"bench", model, "-p", "8", "-n", "4", "-r", "5", "--json", home.folder / "b.json",
                                "--csv", home.folder / "b.csv"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const std::vector<std::string> lines = lines_of(read_file(home.folder / "b.csv"));
  const Json rows = Json::parse(read_file(home.folder / "b.json"))["rows"];
  ASSERT_GE(lines.size(), 3u);
  for (size_t row = 0; row < 2; ++row) {
    std::vector<double> seconds;
    for (const Json& each : rows[row]["seconds"]) seconds.push_back(each.get<double>());
    std::sort(seconds.begin(), seconds.end());
    std::vector<std::string> cells;
    std::istringstream line(lines[row + 1]);
    for (std::string cell; std::getline(line, cell, ',');) cells.push_back(cell);
    const double ms = 1e3 * seconds[2] / rows[row]["tokens"].get<double>();
    EXPECT_NEAR(std::stod(cells.at(5)), ms, 1e-5 * ms) << lines[row + 1];
    EXPECT_NEAR(std::stod(cells.at(3)), 1e3 / ms, 1e-2 / ms) << lines[row + 1];
  }
}

TEST_F(bench, bench_ops_and_what_lies_between_them_add_up_to_a_step) {
  const Ended ended = home.run({"bench", model, "-p", "8", "-n", "6", "-r", "2", "--ops", "--format", "json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  const Json parsed = Json::parse(ended.out);
  ASSERT_EQ(parsed["rows"].size(), 2u);
  for (const Json& row : parsed["rows"]) {
    double ms = row["step"]["between_ops_ms"].get<double>();
    EXPECT_GT(ms, 0);
    for (const Json& op : row["ops"]) {
      ms += op["ms"].get<double>();
      EXPECT_NEAR(op["us"].get<double>() * op["calls"].get<double>() * 1e-3, op["ms"].get<double>(), 1e-9);
    }
    const Json& step = row["step"];
    const double whole = step["ms"].get<double>();
    EXPECT_NEAR(ms, whole, 1e-9);
    EXPECT_LE(step["low_ms"].get<double>(), whole);
    EXPECT_GE(step["high_ms"].get<double>(), whole);
  }
}

}  // namespace
}  // namespace assay
