// assay tune, replay and store merge from the outside, on a model of two layers: one whole loop, and what is refused.
#include <gtest/gtest.h>

#include "kernel/dispatch_table.h"
#include "refusals.h"

namespace assay {
namespace {

const fs::path kModel = fs::path(ASSAY_SOURCE_DIR) / "../shared/data/models/tiny-qwen2-f16.gguf";

class tune_command : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kModel)) GTEST_SKIP() << "no ../shared/data/models here";
    if (kSanitized) GTEST_SKIP() << "hundreds of workers";
  }
  fs::path only_table() const {
    fs::path found;
    for (const auto& entry : fs::directory_iterator(home.folder / "state/assay/tables")) found = entry.path();
    return found;
  }
  Home home;
};

TEST_F(tune_command, makes_a_table_that_run_finds_and_does_nothing_twice) {
  home.with_ceilings();
  const Arguments tune{"tune", kModel, "--budget", "2s", "--turns", "5"};
  const Ended ended = home.run(tune);
  ASSERT_EQ(ended.exit_code, 0) << ended.err << ended.out;
  for (const char* part : {"attn_qkv", "Predicted at depth 128", "no factor is fitted", "Where the model runs",
                           "between ops", "Achieved at depth 128", "predicted before each run", "entries"})
    EXPECT_TRUE(has(ended.out, part)) << part << "\n" << ended.out;
  const fs::path file = only_table();
  const DispatchTable table = load_table(file);
  EXPECT_GT(table.devices.at(0).entries.size(), 10u);
  ASSERT_EQ(table.devices[0].steps.size(), 1u);
  const TableStep& step = table.devices[0].steps[0];
  EXPECT_EQ(step.model, fs::path(kModel).filename());
  EXPECT_EQ(step.depth, 128);
  EXPECT_GT(step.predicted_ms, 0);
  EXPECT_GT(step.achieved_ms, 0);
  EXPECT_LE(step.low_ms, step.achieved_ms);
  EXPECT_EQ(home.run({"table", "check", file}).exit_code, 0);
  const Ended run = home.run({"run", kModel, "--raw", "-p", "a", "-n", "1", "--quiet", "-v"});
  EXPECT_TRUE(has(run.err, "table " + file.string())) << run.err;

  const std::string before = read_file(file);
  const int64_t began = now_ns();
  const Ended again = home.run(tune);
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(has(again.out, "Nothing has changed since")) << again.out;
  EXPECT_TRUE(has(again.out, "Achieved at depth 128")) << again.out;
  EXPECT_EQ(read_file(file), before);
  EXPECT_LT(double(now_ns() - began) * 1e-9, 20) << "2 s on a quiet machine";
  // Other options, the same kernels: what was measured meets in finals once more.
  const Ended other = home.run({"tune", kModel, "--budget", "2s", "--turns", "6"});
  EXPECT_EQ(other.exit_code, 0) << other.err;
}

TEST_F(tune_command, goes_on_after_an_interrupt_in_each_phase) {
  home.with_ceilings();
  const Arguments tune{"tune", kModel, "--budget", "2s", "--turns", "5"};
  for (const char* phase : {"candidates", "Proof in context"}) {
    const auto running = home.start(tune);
    if (!running->says(phase)) break;  // so little was left that it ended
    running->send(SIGINT);
    const Ended ended = running->wait();
    if (ended.exit_code == 0) break;
    EXPECT_EQ(ended.exit_code, 130) << phase << ended.err;
    EXPECT_TRUE(has(ended.err, "the same command goes on from there")) << ended.err;
    EXPECT_FALSE(fs::exists(home.folder / "state/assay/tables") && !fs::is_empty(home.folder / "state/assay/tables"));
  }
  EXPECT_EQ(home.run(tune).exit_code, 0);
}

TEST_F(tune_command, a_longer_budget_goes_on_where_some_ops_have_no_newcomer) {
  home.with_ceilings();
  const auto tune = [&](const char* budget) {
    return home.run({"tune", kModel, "--budget", budget, "--no-proof", "--quiet"});
  };
  const Ended first = tune("2s");
  ASSERT_EQ(first.exit_code, 0) << first.err;
  ASSERT_TRUE(has(first.out, "candidates were not tried: a longer --budget does")) << first.out;
  const Ended second = tune("3s");
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_TRUE(has(second.out, "Predicted at depth 128")) << second.out;
}

TEST_F(tune_command, refuses_what_cannot_be_tuned) {
  expect_refused(home, {"tune", home.folder / "gone.gguf"}, {"gone.gguf"});
  expect_refused(home, {"tune", kModel, "--budget", "soon"}, {"--budget soon", "60s"});
  expect_refused(home, {"tune", kModel, "--threads", "1,x"}, {"--threads", "1,x is no list"});
  expect_refused(home, {"tune", kModel, "--threads", "100000"}, {"--threads", "100000 is no list"});
  expect_refused(home, {"tune", kModel, "--device", "cuda:0"}, {"engine runs on the CPU alone"});
  expect_refused(home, {"tune", kModel, "--accuracy", "exactly"}, {"--accuracy"});
  expect_refused(home, {"tune", kModel, "--depth", "1000000"}, {"--depth 1000000", "holds 32768"});
  expect_refused(home, {"tune", kModel, "--cache-type", "q4_0"}, {"--cache-type q4_0", "f32, f16 or q8_0"});
  write_file(home.folder / "file", "where a folder should be");
  expect_refused(home, {"tune", kModel, "--out", home.folder / "file/t.json"}, {"file/t.json"});
  home.variables["XDG_STATE_HOME"] = home.folder / "file";
  expect_refused(home, {"tune", kModel}, {"file"});
}

TEST_F(tune_command, replay_runs_a_step_as_one_program_and_in_pieces) {
  const Ended ended =
      home.run({"replay", kModel, "--rounds", "3", "--batch", "1,4,0", "--json", home.folder / "r.json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  for (const char* part : {"attn_qkv", "in context", "Summed", "1 launches a submission", "A submission costs"})
    EXPECT_TRUE(has(ended.out, part)) << part << "\n" << ended.out;
  const Json json = Json::parse(read_file(home.folder / "r.json"));
  int64_t calls = 0;
  for (const Json& op : json["ops"]) {
    calls += op["calls"].get<int64_t>();
    EXPECT_EQ(op["alone_us"].size(), 3u);
    EXPECT_FALSE(op["in_context_us"].empty());
  }
  EXPECT_EQ(calls, json["launches"].get<int64_t>());
  EXPECT_EQ(json["batches"].size(), 3u);
  EXPECT_EQ(json["batches"][0]["submissions"], json["launches"]);
  EXPECT_EQ(json["batches"][2]["submissions"], 1);
  const Ended quantized = home.run({"replay", kModel, "--rounds", "1", "--batch", "0", "--cache-type", "q8_0"});
  EXPECT_EQ(quantized.exit_code, 0) << quantized.err;
  expect_refused(home, {"replay", kModel, "--cache-type", "q4_0"}, {"--cache-type q4_0", "f32, f16 or q8_0"});
  expect_refused(home, {"replay", "qwen2.5-0.5b-step-f61"}, {"did you mean"});
  expect_refused(home, {"replay", kModel, "--batch", "x"}, {"--batch", "x is no list"});
}

TEST_F(tune_command, store_merge_says_what_it_took) {
  CaseRecord record;
  record.key = "k", record.variant = "v";
  Store(home.folder / "a.sqlite").put(record);
  const Ended ended = home.run({"store", "merge", home.folder / "a.sqlite", "--store", home.folder / "all.sqlite"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "1 cases taken over")) << ended.out;
  expect_refused(home, {"store", "merge", home.folder / "gone.sqlite"}, {"gone.sqlite"});
  expect_refused(home, {"store", "mege", home.folder / "a.sqlite"}, {"there is merge"});
}

}  // namespace
}  // namespace assay
