// Laws and goldens of the report: seed lines, tables, CSV, Markdown.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "base/terminal.h"
#include "report/csv.h"
#include "report/json.h"
#include "report/markdown.h"
#include "report/rows.h"
#include "report/text.h"
#include "sample_report.h"
#include "text_lines.h"

namespace assay {
namespace {

void expect_golden(const std::string& name, const std::string& text) {
  const std::string file = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(file, text);
  EXPECT_EQ(text, read_file(file)) << "see " << file;
}

TEST(TextReport, MatchesItsGolden) { expect_golden("report.txt", text_report(sample_report(), {.verbose = true})); }
TEST(MarkdownReport, MatchesItsGolden) { expect_golden("report.md", markdown_report(sample_report())); }
TEST(CsvReport, MatchesItsGolden) { expect_golden("report.csv", csv_report(sample_report())); }

TEST(TextReport, APercentageStandsOnlyBesideATimeOfTheSameDevice) {
  SweepReport report = sample_report();
  EXPECT_TRUE(contains(text_report(report), "[vs orig 0.325ms on Apple laptop GPU] maxAbs"));
  report.specs[0].original_device = report.device_text;
  EXPECT_TRUE(contains(text_report(report), "avg_host=0.273ms [vs orig 0.325ms] (-16.00%) maxAbs=1.5522e-02"));
  report.specs[0].original_device = "";
  EXPECT_TRUE(contains(text_report(report), "[vs orig 0.325ms] maxAbs"));
}

TEST(TextReport, AGpuDeviceHasTheSeedsNames) {
  SweepReport report = sample_report();
  for (RankedSpec& spec : report.specs)
    for (RankedCase& ranked : spec.cases) ranked.record.device = "cuda:0";
  const std::string text = text_report(report);
  EXPECT_TRUE(contains(text, "   - gemv_rowdot/r4_u2 [best-gpu]: avg_gpu=0.141ms | avg_cpu=0.273ms [vs orig")) << text;
  EXPECT_FALSE(contains(text, "avg_dev"));
}

TEST(TextReport, ARowEndsWithItsClassAndHowMuchOfItsBoundItUsed) {
  SweepReport report = sample_report();
  CaseRecord rounded = record("q8_dot/i8act", 100, 110);
  rounded.accuracy = Accuracy::int8_activation;
  report.specs[0] = rank_spec(
      parse_spec(kUp),
      {record("gemv_rowdot/r4_u2", 141.2, 273), rounded, failing("x/crash", Outcome::crashed, "signal 11")}, {}, {});
  const std::string text = text_report(report);
  EXPECT_TRUE(contains(text, " | pass | best of class | class=exact | err=0.31 of bound\n")) << text;
  EXPECT_TRUE(contains(text, " | pass | best of class | class=int8_activation | err=0.31 of bound\n")) << text;
  EXPECT_TRUE(contains(text, " | no samples | class=exact\n")) << "what was not checked used nothing";
  EXPECT_TRUE(contains(
      text, " | best=100.0us | 132.5% of floor | 100.0% of reachable | best exact=141.2us (gemv_rowdot/r4_u2)\n"))
      << text;
}

TEST(AllReports, APriceWithRoundedActivationsStandsBesideTheExactOne) {
  SweepReport report = sample_report();
  CaseRecord rounded = record("q8_dot/i8act", 100, 110);
  rounded.accuracy = Accuracy::int8_activation;
  report.specs = {rank_spec(parse_spec(kUp), {record("gemv_rowdot/r4_u2", 150, 273), rounded}, {}, {})};
  Workload workload;
  workload.entries.emplace_back();
  workload.entries[0].spec = parse_spec(kUp);
  workload.entries[0].calls_per_token = 10;
  report.workloads = {price_workload(workload, report.specs, 100)};
  EXPECT_DOUBLE_EQ(report.workloads[0].total_ms, 1);
  EXPECT_DOUBLE_EQ(report.workloads[0].exact_ms, 1.5);
  for (const std::string& said : {text_report(report), markdown_report(report)}) {
    EXPECT_TRUE(contains(said, "int8_activation")) << said;
    EXPECT_TRUE(contains(said, "with exact variants alone: 1.500 ms")) << said;
  }
}

TEST(TextReport, TagsStandInTheSeedsOrder) {
  RankedCase ranked;
  ranked.baseline = ranked.best_device = ranked.best_host = ranked.host_gap = true;
  EXPECT_EQ(rank_tags(ranked, time_names("cuda:0")),
            (std::vector<std::string>{"baseline", "best-gpu", "best-cpu", "host-gap"}));
}

/// One spec with a case of every outcome, and one more that a library does not have.
SweepReport report_of_every_outcome() {
  std::vector<CaseRecord> records = {record("own/right", 141, 273),
                                     failing("lib/other", Outcome::unsupported, "no algorithm 7")};
  for (const Outcome outcome :
       {Outcome::wrong, Outcome::impossible, Outcome::noisy, Outcome::unsupported, Outcome::build_failed,
        Outcome::device_limit, Outcome::launch_failed, Outcome::crashed, Outcome::timed_out})
    records.push_back(failing("x/" + std::string(outcome_name(outcome)), outcome, "its reason"));
  SweepReport report;
  report.specs.push_back(rank_spec(parse_spec(kUp), std::move(records), {}, {}));
  report.skips = {{"lib/other", "matmul_bias_add", "adds no bias", 3}};
  return report;
}

TEST(AllReports, OnlyRealFailuresAreCountedAsFailuresAndTheRestByItsName) {
  const SweepReport report = report_of_every_outcome();
  const std::string text = text_report(report), head = lines_of(text)[0];
  EXPECT_EQ(head.find("Benchmark completed. Processed 11 total results with 6 failures. | "), 0u) << head;
  EXPECT_TRUE(contains(head, " | 1 noisy, 2 unsupported, 1 device_limit, 3 skipped")) << head;
  EXPECT_TRUE(contains(markdown_report(report),
                       "11 cases, 1 passed, 6 failed, 1 noisy, 2 unsupported, 1 device_limit, 3 skipped.\n"));
  EXPECT_TRUE(contains(lines_of(text_report(sample_report()))[0], "with 4 failures. | 5 measured"));
}

TEST(AllReports, WhatALibraryDoesNotHaveIsListedApartFromFailures) {
  const SweepReport report = report_of_every_outcome();
  const std::string text = text_report(report);
  const size_t failures = text.find("\nVariant failures:\n"), apart = text.find("\nUnsupported when asked:\n");
  ASSERT_LT(failures, apart);
  ASSERT_NE(apart, std::string::npos) << text;
  const std::string failed = text.substr(failures, apart - failures), unsupported = text.substr(apart);
  EXPECT_TRUE(contains(failed, " - lib/other: matmul_bias_add skipped 3 (unsupported: adds no bias)\n")) << failed;
  EXPECT_TRUE(contains(failed, " - x/device_limit: matmul device_limit 1 (its reason; at ")) << failed;
  EXPECT_FALSE(contains(failed, "x/unsupported")) << failed;
  EXPECT_TRUE(
      contains(unsupported, " - lib/other: matmul unsupported 1 (no algorithm 7; at matmul M:1 N:9728 K:896 NT)\n"));
  EXPECT_TRUE(contains(unsupported, " - x/unsupported: matmul unsupported 1 ")) << unsupported;
  EXPECT_TRUE(contains(markdown_report(report), "## Unsupported when asked\n\n- `lib/other`: matmul unsupported 1 "));
}

TEST(AllReports, WhatAKernelTakesOfTheDeviceStandsBesideItsCase) {
  CaseRecord spilling = record("own/spills", 141, 273), lean = record("own/lean", 150, 280);
  spilling.registers = 255, spilling.shared_bytes = 33280, spilling.local_bytes = 16;
  lean.registers = 40;
  SweepReport report;
  report.specs.push_back(rank_spec(parse_spec(kUp), {spilling, lean, record("own/untold", 160, 290)}, {}, {}));
  const std::string text = text_report(report);
  EXPECT_TRUE(contains(text, " | pass | 255 registers, 33280 bytes of shared memory, 16 bytes spilled | class="))
      << text;
  EXPECT_TRUE(contains(text, " | 40 registers, 0 bytes of shared memory | class=")) << text;
  EXPECT_FALSE(contains(text, " | 0 registers")) << text;
  EXPECT_TRUE(contains(csv_report(report), ",255,33280,16,exact,0.31,,,\r\n")) << csv_report(report);
}

TEST(AllReports, APreparedWinnerIsShownAsSuch) {
  CaseRecord repacks = record("own/repacks", 141, 273);
  repacks.prepared_bytes = 2'064'384;
  repacks.prepare_us = 1500;
  SweepReport report;
  report.specs.push_back(rank_spec(parse_spec(kUp), {repacks, record("own/plain", 150, 280)}, {}, {}));
  Workload workload;
  workload.entries.emplace_back();
  workload.entries[0].spec = parse_spec(kUp);
  workload.entries[0].calls_per_token = 24;
  report.workloads.push_back(price_workload(workload, report.specs, 100));
  const std::string text = text_report(report), markdown = markdown_report(report);
  EXPECT_TRUE(contains(text, "weights prepared once before: 2.06 MB in 1.500 ms")) << text;
  EXPECT_EQ(text.find("weights prepared"), text.rfind("weights prepared")) << "of one case";
  for (const std::string& said : {text, markdown}) {
    EXPECT_TRUE(contains(said, "own/repacks (prepared)")) << said;
    EXPECT_TRUE(contains(said, "(prepared): it repacks its weights once")) << said;
    EXPECT_FALSE(contains(said, "own/plain (prepared)")) << said;
  }
}

TEST(TextReport, IsPlainTextUnlessColourIsAllowed) {
  EXPECT_FALSE(contains(text_report(sample_report()), "\x1b"));
  EXPECT_TRUE(contains(text_report(sample_report(), {.colour = true}), "\x1b[32m[best-dev]\x1b[0m"));
}

TEST(TextReport, AMessageOfManyLinesStaysOnItsLine) {
  EXPECT_TRUE(contains(text_report(sample_report()),
                       "   - x/crash: crashed: signal 11 (SIGSEGV) | no samples | class=exact\n"));
}

TEST(AllReports, AnEmptySweepAndNotANumberDoNotCrash) {
  SweepReport odd;
  EXPECT_FALSE(text_report(odd).empty());
  EXPECT_FALSE(markdown_report(odd).empty());
  EXPECT_EQ(lines_of(csv_report(odd)).size(), 1u);
  EXPECT_TRUE(read_report_json(json_report(odd), "r.json").empty());
  odd.specs.resize(2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  odd.specs[1].floor_us = odd.read_gbps = odd.elapsed_s = nan;
  odd.specs[1].cases.resize(2);
  odd.specs[1].cases[0].device.median = odd.specs[1].cases[0].record.errors.max_abs = nan;
  odd.specs[1].cases[0].device.count = odd.specs[1].cases[0].record.errors.launches_checked = 1;
  odd.workloads.resize(1);
  odd.workloads[0].rows.resize(1);
  odd.workloads[0].total_ms = nan;
  EXPECT_TRUE(contains(text_report(odd), "no proved variant"));
  EXPECT_FALSE(markdown_report(odd).empty());
  EXPECT_EQ(lines_of(csv_report(odd)).size(), 3u);
  EXPECT_EQ(read_report_json(json_report(odd), "r.json").size(), 2u);
}

TEST(Table, FitsEveryWidthAndNamesTheColumnsItDrops) {
  const Table rows = workload_rows(sample_report().workloads[0]);
  for (size_t width = 1; width <= 130; ++width)
    for (const std::string& line : lines_of(render_table(rows, width))) ASSERT_LE(display_width(line), width) << line;
  EXPECT_TRUE(contains(render_table(rows, 60), "too narrow for: floor us"));
  EXPECT_FALSE(contains(render_table(rows, 0), "too narrow"));
  EXPECT_TRUE(contains(render_table(rows, 0), "* attention_scores n=1..95 (14 measured, 81 interpolated;"));
}

TEST(Table, ColumnsLineUpWhateverTheLengthOfUtf8) {
  Table table;
  table.columns = {{"a", "name", Column::Format::text, 1, 0}, {"b", "us", Column::Format::fixed1, 1, 0}};
  table.rows = {{std::string("\xc2\xb5\xc2\xb5\xc2\xb5"), 1.0}, {std::string("abc"), 20.0}, {Cell(), Cell()}};
  const std::vector<std::string> lines = lines_of(render_table(table));
  ASSERT_EQ(lines.size(), 5u);
  for (const size_t i : {2, 3, 4}) EXPECT_EQ(display_width(lines[i]), display_width(lines[1]));
}

TEST(Csv, QuotesWhatRfc4180Asks) {
  Table table;
  table.columns = {{"plain", "", Column::Format::text, 0, 0}, {"n", "", Column::Format::fixed1, 0, 0}};
  table.rows = {{std::string("a,\"b\"\nc"), 0.1}, {std::string("d e"), std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_EQ(csv_table(table), "plain,n\r\n\"a,\"\"b\"\"\nc\",0.1\r\nd e,\r\n");
}

TEST(Markdown, ABarInATextDoesNotEndItsCell) {
  Table table;
  table.columns = {{"a", "a|b", Column::Format::text, 1, 0}};
  table.rows = {{std::string("x | <y>\nz")}};
  EXPECT_EQ(markdown_table(table), "| a\\|b |\n| --- |\n| x \\| &lt;y&gt; z |\n");
}

}  // namespace
}  // namespace assay
