// Laws of comparing two traces: what is noise, what is a regression, what counted samples may claim.
#include <random>

#include "assay_program.h"
#include "base/json.h"
#include "base/terminal.h"
#include "report/analysis_json.h"
#include "report/analysis_text.h"
#include "trace_lines.h"

namespace assay {
namespace {

using Times = std::vector<int64_t>;

Times normal_times(uint64_t seed, size_t count, double centre, double noise) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> distribution(centre, centre * noise);
  Times times;
  for (size_t i = 0; i < count; ++i) times.push_back(std::max<int64_t>(0, int64_t(distribution(random))));
  return times;
}

std::string op_lines(const std::string& name, const Times& times) {
  std::string text;
  for (const int64_t us : times) text += gpu_line(name, std::to_string(us));
  return text;
}

struct Side {
  StringTable strings;
  ClassicCounts counts;
  ShapeCounts gpu;
  TimeAccounting accounting;
  Accounts accounts;
  ShapeReport shapes;

  explicit Side(const std::string& text) {
    EventConsumer* const consumers[] = {&counts, &gpu, &accounting};
    read_trace(std::make_unique<MemorySource>(text), strings, consumers);
    accounts = accounting.finish(strings);
    shapes = report_shapes(counts, gpu, strings);
  }
  operator DiffSide() const { return {counts, strings, shapes, &accounts}; }
};

TraceDiff diff_of(const std::string& before, const std::string& after, const DiffThresholds& thresholds = {}) {
  const Side a(before), b(after);
  return diff_traces(a, b, thresholds);
}
std::string verdict_of(const Times& before, const Times& after, double threshold = 0.03) {
  return std::string(diff_of(op_lines("k", before), op_lines("k", after), {threshold, threshold}).rows.at(0).verdict());
}

TEST(counted_comparison, says_what_the_samples_one_by_one_say) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> samples[2];
    std::vector<CountedValue> counted[2];
    for (int side = 0; side < 2; ++side) {
      for (size_t i = 0; i < 1 + random() % 40; ++i)
        samples[side].push_back(double(10 + random() % 12 + (side * round) / 10));
      std::sort(samples[side].begin(), samples[side].end());
      for (const double value : samples[side]) {
        if (counted[side].empty() || counted[side].back().value != value) counted[side].push_back({value, 0});
        ++counted[side].back().count;
      }
    }
    const Comparison one = compare_times(samples[0], samples[1]), many = compare_counted(counted[0], counted[1]);
    EXPECT_EQ(one.verdict, many.verdict);
    EXPECT_NEAR(one.p_value, many.p_value, 1e-12);
    EXPECT_DOUBLE_EQ(one.ratio, many.ratio);
    EXPECT_DOUBLE_EQ(one.ratio_low, many.ratio_low);
    EXPECT_DOUBLE_EQ(one.ratio_high, many.ratio_high);
    const Summary a = summarize(samples[0]), b = summarize_counted(counted[0]);
    EXPECT_EQ(a.count, b.count);
    EXPECT_DOUBLE_EQ(a.median, b.median);
    EXPECT_DOUBLE_EQ(a.p95, b.p95);
    EXPECT_DOUBLE_EQ(a.ci_low, b.ci_low);
    EXPECT_DOUBLE_EQ(a.ci_high, b.ci_high);
    EXPECT_DOUBLE_EQ(a.spread, b.spread);
    EXPECT_NEAR(a.mean, b.mean, 1e-9);
  }
}

TEST(diff, a_trace_against_itself_has_no_verdict_but_same_and_unsure) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += op_lines("op" + std::to_string(i), normal_times(uint64_t(i), 200, 500, 0.2));
  const TraceDiff diff = diff_of(text, text);
  EXPECT_EQ(diff.count("SLOWER") + diff.count("FASTER") + diff.count("NEW") + diff.count("GONE"), 0u);
  EXPECT_FALSE(diff.regressed());
}

TEST(diff, a_change_beyond_noise_is_named_in_its_direction) {
  EXPECT_EQ(verdict_of(normal_times(1, 400, 1000, 0.05), normal_times(2, 400, 1100, 0.05)), "SLOWER");
  EXPECT_EQ(verdict_of(normal_times(1, 400, 1000, 0.05), normal_times(2, 400, 900, 0.05)), "FASTER");
  EXPECT_EQ(verdict_of(normal_times(1, 400, 1000, 0.05), normal_times(2, 400, 1005, 0.05)), "SAME");
  EXPECT_EQ(verdict_of(normal_times(1, 400, 1000, 0.05), normal_times(2, 400, 1100, 0.05), 0.2), "SAME");
}

TEST(diff, few_or_wild_samples_are_unsure) {
  EXPECT_EQ(verdict_of({100, 100, 100, 100}, {200, 200, 200, 200}), "UNSURE");
  EXPECT_EQ(verdict_of(normal_times(1, 12, 1000, 0.5), normal_times(2, 12, 1100, 0.5)), "UNSURE");
}

TEST(diff, one_tick_of_the_clock_is_no_regression) {
  EXPECT_EQ(verdict_of(Times(1000, 3), Times(1000, 4)), "UNSURE");  // 3.99 may have become 4.00
  EXPECT_EQ(verdict_of(Times(1000, 3), Times(1000, 5)), "SLOWER");
}

TEST(diff, zero_and_negative_times_are_unsure) {
  EXPECT_EQ(verdict_of(Times(100, 0), Times(100, 5)), "UNSURE");
  EXPECT_EQ(verdict_of(Times(100, -7), Times(100, -5)), "UNSURE");
}

TEST(diff, names_of_one_side_are_new_or_gone_and_no_regression) {
  const TraceDiff diff = diff_of(op_lines("a", Times(10, 50)), op_lines("b", Times(10, 5000)));
  EXPECT_EQ(diff.count("NEW"), 1u);
  EXPECT_EQ(diff.count("GONE"), 1u);
  EXPECT_FALSE(diff.regressed());
}

TEST(diff, the_more_is_compared_the_stronger_the_evidence_must_be) {
  std::string before, after;
  for (int i = 0; i < 500; ++i) {
    before += op_lines("op" + std::to_string(i), normal_times(uint64_t(i), 24, 500, 0.08));
    after += op_lines("op" + std::to_string(i), normal_times(uint64_t(1000 + i), 24, 500, 0.08));
  }
  const TraceDiff diff = diff_of(before, after);
  EXPECT_EQ(diff.count("SLOWER") + diff.count("FASTER"), 0u);
  EXPECT_DOUBLE_EQ(diff.significant, 0.01 / 500);
}

std::string matmul_calls(const Times& gpu_times) {
  std::string text;
  for (const int64_t us : gpu_times)
    text +=
        gpu_line("s/s/k", "1000",
                 R"(,"data":{"op":"matmul","batch":"1","m":"1","n":"64","k":"32","tA":"0","tB":"1","backend":"mlx"})") +
        gpu_line("s/cb_gpu", std::to_string(us));
  return text;
}

TEST(diff, a_shape_is_compared_by_the_gpus_own_time) {
  const TraceDiff diff =
      diff_of(matmul_calls(normal_times(1, 300, 200, 0.05)), matmul_calls(normal_times(2, 300, 300, 0.05)));
  for (const DiffRow& row : diff.rows) {
    if (row.kind == "kernel") {
      EXPECT_EQ(row.verdict(), "SAME");  // the op event lasts 1000 us in both
    } else {
      EXPECT_EQ(row.verdict(), "SLOWER") << row.kind;
    }
  }
  EXPECT_EQ(diff.rows.size(), 3u);  // the op, its buffer, the shape
}

TEST(diff, internal_kernels_are_told_apart_by_parent) {
  std::string before, after;
  for (const int64_t us : normal_times(1, 300, 1000, 0.05))
    before += internal_line("p", "k", std::to_string(us)) + internal_line("q", "k", std::to_string(us));
  for (const int64_t us : normal_times(2, 300, 1000, 0.05))
    after += internal_line("p", "k", std::to_string(us)) + internal_line("q", "k", std::to_string(2 * us));
  const TraceDiff diff = diff_of(before, after);
  ASSERT_EQ(diff.rows.size(), 2u);
  EXPECT_EQ(diff.rows[0].name, "q :: k");
  EXPECT_EQ(diff.rows[0].verdict(), "SLOWER");
  EXPECT_EQ(diff.rows[1].verdict(), "SAME");
}

/// A run of `tokens` decoded tokens of 24 blocks with two kernels each, without time stamps: all takes `factor` times
/// as long.
std::string run_of(uint64_t seed, int tokens, double factor) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(1, 0.06);
  std::string text;
  for (int token = 0; token < tokens; ++token) {
    double all = 300;
    for (int block = 0; block < 24; ++block)
      for (const auto& [kernel, us] : {std::pair("RMSNormOp", 41.0), {"gemv (Q)", 320.0}}) {
        const std::string scope = "Generation Loop/block_" + std::to_string(block);
        const double took = us * noise(random) * factor;
        all += took;
        text += gpu_line(scope + "/" + scope + "/" + kernel, std::to_string(int64_t(took)));
      }
    text += internal_line("generation_loop", "iteration_total", std::to_string(int64_t(all)));
  }
  return text;
}

TEST(diff, everything_three_percent_slower_is_slower_by_walls_and_by_types_though_no_name_shows_it) {
  const TraceDiff diff = diff_of(run_of(1, 20, 1), run_of(2, 20, 1.03));
  EXPECT_EQ(diff.count("SLOWER"), 0u) << "twenty calls of a name say nothing of 3 %";
  EXPECT_EQ(diff.verdict(), "SLOWER");
  ASSERT_EQ(diff.walls.size(), 1u);
  EXPECT_EQ(diff.walls[0].verdict(), "SLOWER");
  EXPECT_EQ(diff.types.size(), 3u);
  EXPECT_EQ(TraceDiff::count(diff.types, "SLOWER"), 3u);
  EXPECT_TRUE(diff.regressed());
  EXPECT_EQ(diff_of(run_of(1, 20, 1.03), run_of(2, 20, 1)).verdict(), "FASTER");
}

TEST(diff, two_runs_of_one_version_are_the_same_and_half_a_percent_is_no_regression) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    EXPECT_FALSE(diff_of(run_of(seed, 20, 1), run_of(100 + seed, 20, 1)).regressed()) << seed;
    EXPECT_FALSE(diff_of(run_of(seed, 20, 1), run_of(100 + seed, 20, 1.005)).regressed()) << seed;
  }
}

TEST(diff, one_tick_of_the_clock_is_no_regression_of_a_type_either) {
  const TraceDiff diff = diff_of(op_lines("a/k", Times(1000, 40)) + op_lines("b/k", Times(1000, 40)),
                                 op_lines("a/k", Times(1000, 41)) + op_lines("b/k", Times(1000, 41)));
  ASSERT_EQ(diff.types.size(), 1u);
  EXPECT_EQ(diff.types[0].before.count, 2000u);
  EXPECT_EQ(diff.types[0].verdict(), "UNSURE");
}

TEST(diff, a_threshold_that_is_given_holds_for_walls_and_types_too) {
  EXPECT_FALSE(diff_of(run_of(1, 20, 1), run_of(2, 20, 1.03), {0.05, 0.05}).regressed());
}

TEST(diff, lines_are_cut_to_the_terminal) {
  TraceDiff diff = diff_of(run_of(1, 20, 1), run_of(2, 20, 1.2));
  diff.before = std::string(200, 'x') + ".jsonl";
  for (const size_t width : {40, 80, 120}) {
    const std::string text = diff_text(diff, {20, false, width});
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      EXPECT_LE(display_width(text.substr(at, end - at)), width) << text.substr(at, end - at);
      at = end + 1;
    }
    EXPECT_TRUE(has(text, ": SLOWER\n")) << text;
  }
}

TEST(names, share_a_type_where_numbers_of_their_own_differ) {
  EXPECT_EQ(without_numbers("Generation Loop/block_12/cb_gpu"), "Generation Loop/block_N/cb_gpu");
  EXPECT_EQ(without_numbers("blk.7.attn_q"), "blk.N.attn_q");
  EXPECT_EQ(without_numbers("layers/7/mlp"), "layers/N/mlp");
  EXPECT_EQ(without_numbers("12"), "N");
  EXPECT_EQ(without_numbers("gemv_q8_fused2"), "gemv_q8_fused2");
  EXPECT_EQ(without_numbers("matmul/n=64"), "matmul/n=64");
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::string file = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(file, text);
  EXPECT_EQ(text, read_file(file)) << file << ": ASSAY_UPDATE_GOLDEN=1 writes it anew";
}

/// Numbers to six digits: the last ones depend on the machine's math library.
Json rounded(Json json) {
  if (json.is_number() && !json.is_whole()) return std::stod(fmt::format("{:.6g}", json.get<double>()));
  for (Json& value : json) value = rounded(value);  // of an array or object
  return json;
}

/// Times that no library's random numbers change.
Times saw(size_t count, int64_t from, int64_t teeth) {
  Times times;
  for (size_t i = 0; i < count; ++i) times.push_back(from + int64_t(i) * 7 % teeth);
  return times;
}

TEST(golden, text_and_json_of_a_diff) {
  const std::string before = op_lines("slower", saw(100, 500, 20)) + op_lines("faster", saw(100, 900, 20)) +
                             op_lines("same", saw(100, 700, 20)) + op_lines("gone", Times(3, 8)) +
                             op_lines("few", Times(2, 8));
  const std::string after = op_lines("slower", saw(100, 600, 20)) + op_lines("faster", saw(100, 800, 20)) +
                            op_lines("same", saw(100, 701, 20)) + op_lines("new", Times(3, 8)) +
                            op_lines("few", Times(2, 80));
  TraceDiff diff = diff_of(before, after);
  diff.before = "before.jsonl";
  diff.after = "after.jsonl";
  expect_golden("trace_diff.txt", diff_text(diff));
  expect_golden("trace_diff.json", rounded(to_json(diff)).dump(1) + "\n");
}

TEST(analyze_diff, exits_1_on_a_regression_and_0_the_other_way_round) {
  const Home home;
  const std::string fast = home.folder / "fast.jsonl", slow = home.folder / "slow.jsonl", json = home.folder / "d.json";
  write_file(fast, op_lines("k", normal_times(1, 300, 1000, 0.05)));
  write_file(slow, op_lines("k", normal_times(2, 300, 1200, 0.05)));
  const Ended worse = home.run({"analyze", "--diff", fast, "--json", json, slow});
  EXPECT_EQ(worse.exit_code, 1) << worse.err;
  EXPECT_TRUE(has(worse.out, "\nAgainst " + fast + ": SLOWER in parts\n")) << worse.out;
  EXPECT_EQ(Json::parse(read_file(json))["traces"][0]["diff"]["regressed"], true);
  EXPECT_EQ(home.run({"analyze", "--diff", slow, fast}).exit_code, 0);
  const std::string copy = fast + ".copy";
  fs::copy_file(fast, copy);
  for (const std::string& same : {std::string(fast), copy})
    EXPECT_TRUE(has(home.run({"analyze", "--diff", same, fast}).err, "hold the same bytes: nothing differs"));
  EXPECT_FALSE(has(home.run({"analyze", "--diff", slow, fast}).err, "same bytes"));
  EXPECT_EQ(home.run({"analyze", "--diff", fast, fast}).exit_code, 0);
  EXPECT_EQ(home.run({"analyze", "--diff", fast, "--threshold", "50", slow}).exit_code, 0);
}

TEST(analyze_diff, a_missing_earlier_trace_is_refused_before_anything_is_printed) {
  const Home home;
  const std::string trace = home.folder / "t.jsonl";
  write_file(trace, op_lines("k", {1}));
  const Ended ended = home.run({"analyze", "--diff", home.folder / "missing.jsonl", trace});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(has(ended.err, "missing.jsonl"));
}

}  // namespace
}  // namespace assay
