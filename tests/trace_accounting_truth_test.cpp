// Generated traces: every part of the account is within 1 % of the truth, whatever the defects, and each defect is
// named.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "report/accounting_report.h"
#include "trace_lines.h"

namespace assay {
namespace {

struct Judged {
  Accounts accounts;
  Json truth;
};

Judged judge(const std::vector<std::string>& options) {
  const std::filesystem::path file = testing::TempDir() + "assay-account-" + std::to_string(getpid()) + ".jsonl";
  std::vector<std::string> command = {ASSAY_TRACE_GENERATOR, "-o", file};
  command.insert(command.end(), options.begin(), options.end());
  const ProcessResult made = run_process(command, 60);
  EXPECT_EQ(made.exit_code, 0) << made.output;
  StringTable strings;
  TimeAccounting accounting;
  EventConsumer* const consumers[] = {&accounting};
  read_trace(open_byte_source(file), strings, consumers);
  Judged judged{accounting.finish(strings), Json::parse(read_file(file.string() + ".truth.json"))};
  std::filesystem::remove(file);
  std::filesystem::remove(file.string() + ".truth.json");
  return judged;
}

void expect_within_1_percent(const TimeParts& parts, const Json& truth, const std::string& what) {
  const auto expect = [&](const char* name, int64_t ns) {
    const double us = truth.at(name);
    EXPECT_NEAR(double(ns) / 1e3, us, 0.01 * us) << what << " " << name;
  };
  expect("wall_us", parts.wall_ns);
  expect("gpu_busy_us", parts.gpu_ns);
  expect("host_cost_us", parts.host_ns);
  expect("cpu_us", parts.cpu_ns);
  expect("unattributed_us", parts.unattributed_ns());
  EXPECT_EQ(parts.buffers, truth.at("buffers").get<uint64_t>()) << what;
}

void expect_truth(const Judged& judged, const std::string& what) {
  const Accounts& a = judged.accounts;
  expect_within_1_percent(a.load, judged.truth["load"], what + ", load");
  expect_within_1_percent(a.prompt.parts, judged.truth["prompt"], what + ", prompt");
  expect_within_1_percent(a.decode.parts, judged.truth["decode"], what + ", decode");
  EXPECT_EQ(a.prompt.tokens, judged.truth["prompt"]["tokens"].get<uint64_t>()) << what;
  EXPECT_EQ(a.decode.tokens, judged.truth["decode"]["tokens"].get<uint64_t>()) << what;
  for (const PhaseAccount* phase : {&a.prompt, &a.decode})
    EXPECT_LE(double(phase->parts.unattributed_ns()), 0.05 * double(phase->parts.wall_ns)) << what;
}

/// How often the truth says that a defect was added, and the first line that shows it.
std::pair<uint64_t, uint64_t> defect(const Judged& judged, const std::string& kind) {
  const Json& defects = judged.truth["defects"];
  if (!defects.contains(kind)) return {0, 0};
  return {defects[kind]["count"].get<uint64_t>(), defects[kind]["first_line"].get<uint64_t>()};
}

TEST(trace_accounting_truth, parts_are_within_1_percent_with_any_defect_and_seed) {
  for (const char* seed : {"1", "2", "77"})
    for (const char* defects : {"", "malformed", "repeated", "nested", "placeholder", "cutoff", "all"}) {
      std::vector<std::string> options = {"--events", "60000", "--seed", seed};
      if (*defects) options.insert(options.end(), {"--defects", defects});
      expect_truth(judge(options), std::string("seed ") + seed + " " + defects);
    }
}

TEST(trace_accounting_truth, each_token_of_many_sequences_has_its_place) {
  const Judged judged = judge({"--events", "120000", "--prompt", "7", "--context", "20", "--defects", "repeated"});
  expect_truth(judged, "sequences of 20");
  const Accounts& a = judged.accounts;
  std::map<std::pair<bool, uint64_t>, std::pair<uint64_t, double>> by_position;
  for (const Json& token : judged.truth["tokens"]) {
    auto& [tokens, wall_us] = by_position[{token[0] == "prompt", token[1].get<uint64_t>()}];
    ++tokens;
    wall_us += token[2].get<double>();
  }
  for (const PhaseAccount* phase : {&a.prompt, &a.decode})
    for (const PositionBucket& bucket : phase->by_position) {
      if (bucket.tokens == 0) continue;
      const auto& [tokens, wall_us] = by_position.at({phase == &a.prompt, bucket.first});
      EXPECT_EQ(bucket.tokens, tokens) << bucket.first;
      EXPECT_NEAR(double(bucket.parts.wall_ns) / 1e3, wall_us, 0.01 * wall_us) << bucket.first;
    }
}

TEST(trace_accounting_truth, repeated_buffers_are_named_with_count_and_first_line) {
  const Judged judged = judge({"--events", "60000", "--defects", "all"});
  const auto [times, line] = defect(judged, "repeated");
  ASSERT_GT(times, 0u);
  ASSERT_EQ(judged.accounts.anomalies.repeated.size(), 1u);
  const UnpairedGpuTime& repeated = judged.accounts.anomalies.repeated[0];
  EXPECT_EQ(repeated.times, times);
  EXPECT_EQ(repeated.first_line, line);
  EXPECT_EQ(repeated.us, 9528);
}

TEST(trace_accounting_truth, placeholders_are_named_with_count_and_first_line) {
  const Judged judged = judge({"--events", "60000", "--defects", "all"});
  const auto [times, line] = defect(judged, "placeholder");
  ASSERT_GT(times, 0u);
  EXPECT_EQ(judged.accounts.anomalies.minute_gpu.times, times);
  EXPECT_EQ(judged.accounts.anomalies.minute_gpu.first_line, line);
}

TEST(trace_accounting_truth, malformed_lines_are_named_with_count_and_first_line) {
  const Judged judged = judge({"--events", "60000", "--defects", "malformed,cutoff"});
  uint64_t bad = 0;
  std::vector<uint64_t> firsts;
  for (const BadKind& kind : judged.accounts.anomalies.bad_lines) {
    bad += kind.lines;
    firsts.push_back(kind.first_line);
  }
  uint64_t expected = 0;
  for (const auto& [kind, of] : judged.truth["defects"].items()) {
    if (kind == "malformed: blank" || kind == "malformed: no event type") continue;
    expected += of["count"].get<uint64_t>();
    const bool is_first = std::find(firsts.begin(), firsts.end(), of["first_line"].get<uint64_t>()) != firsts.end();
    EXPECT_TRUE(is_first || kind == "cutoff") << kind;  // a line cut at the end may be like one cut before
  }
  EXPECT_EQ(bad, expected);
}

TEST(trace_accounting_truth, a_cut_off_run_is_named_and_a_whole_one_is_not) {
  const Judged whole = judge({"--events", "20000"}), cut = judge({"--events", "20000", "--defects", "cutoff"});
  EXPECT_EQ(whole.accounts.anomalies.cut_off_count, 0u);
  ASSERT_EQ(cut.accounts.anomalies.cut_offs.size(), 1u);
  const CutOff& found = cut.accounts.anomalies.cut_offs[0];
  EXPECT_EQ(found.tokens_before, cut.truth["tokens"].size());
  EXPECT_EQ(found.line + 1, defect(cut, "cutoff").second);
}

TEST(trace_accounting_truth, totals_within_block_totals_are_named_only_where_they_are) {
  const auto within_blocks = [](const Judged& judged) {
    uint64_t times = 0;
    for (const NestedTotal& nested : judged.accounts.anomalies.nested)
      times += nested.outer == "block_N_total" ? nested.times : 0;
    return times;
  };
  EXPECT_EQ(within_blocks(judge({"--events", "20000"})), 0u);
  const Judged nested = judge({"--events", "20000", "--defects", "nested"});
  EXPECT_EQ(within_blocks(nested), 2 * 24 * nested.truth["tokens"].size());
}

/// 0.05 µs a key; spikes (one in 120, 1.2 to 6.2 times as long) raise the mean by 1.6 %.
TEST(trace_accounting_truth, attention_grows_with_the_context_as_it_was_made_to) {
  const Judged judged = judge({"--events", "210372", "--seed", "5"});
  ASSERT_EQ(judged.accounts.slopes.size(), 2u);
  for (const LengthSlope& slope : judged.accounts.slopes) {
    EXPECT_TRUE(slope.of_gpu);
    const RobustLine::Fit fit = slope.us.fit();
    EXPECT_NEAR(fit.slope, 0.0508, 2 * (fit.high - fit.low) / 2);
    EXPECT_LT(fit.high - fit.low, 0.012);
  }
}

}  // namespace
}  // namespace assay
