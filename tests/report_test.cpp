// Laws and goldens of the report: seed lines, tables, CSV, Markdown, JSON.
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
#include "text_lines.h"

namespace assay {
namespace {

const char* kTypes = " | dtA=f16 | dtB=f16 | dtD=f16";
const std::string kUp = std::string("op=matmul | batch=1 | m=1 | n=9728 | k=896 | tA=0 | tB=1") + kTypes;
const std::string kBias =
    std::string("op=matmul_bias_add | batch=1 | m=1 | n=1152 | k=896 | tA=0 | tB=0 | bias=1") + kTypes;

CaseRecord record(const std::string& variant, double device_us, double host_us) {
  CaseRecord result;
  result.key = "0123456789abcdef";
  result.variant = variant;
  result.device = "cpu:0";
  result.mode = "decode";
  for (int i = 0; i < 12; ++i) {
    const double step = 0.0012 * (i % 4 - 1.5);
    result.device_us.push_back(device_us * (1 + step));
    result.host_us.push_back(host_us * (1 + step));
    result.disturbed.push_back(0);
  }
  result.bytes = 17'452'544;
  result.flops = 17'432'576;
  result.ceiling_gbps = 131.7;
  result.floor_us = 132.5;
  result.reachable_us = 138;
  result.errors.launches_checked = 3;
  result.errors.bound_used = 0.31;
  result.errors.max_abs = 1.5522e-2;
  result.errors.max_rel = 4.7867e-4;
  result.environment = "e1";
  result.measured_at = 1'760'000'000;
  return result;
}

CaseRecord failing(const std::string& variant, Outcome outcome, const std::string& detail) {
  CaseRecord result = record(variant, 10, 12);
  result.outcome = outcome;
  result.detail = detail;
  if (outcome != Outcome::wrong) result.device_us = result.host_us = {}, result.errors = {};
  return result;
}

SweepReport sample_report() {
  SweepReport report;
  report.device = "cpu:0";
  report.device_text = "Example CPU, 2 threads";
  report.method = "decode";
  report.store_file = "results.db";
  report.read_gbps = 131.7;
  report.copy_gbps = 60.2;
  report.dispatch_us = 1.25;
  report.cases_measured = 5;
  report.cases_from_store = 1;
  report.cases_planned = 6;
  report.elapsed_s = 12.34;
  CaseRecord shaky = record("q/nondet", 160, 165);
  shaky.tags = {"nondeterministic"};
  report.specs.push_back(rank_spec(
      parse_spec(kUp),
      {record("naive/plain", 484, 713), record("gemv_rowdot/r4_u2", 141.2, 273),
       record("gemv_rowdot/r4_u4", 141.3, 272.8), shaky, failing("x/crash", Outcome::crashed, "signal 11\n(SIGSEGV)"),
       failing("x/wrong", Outcome::wrong, "max error at 17: 3 | not 4")},
      {"naive/plain"}, {}));
  report.specs[0].original_ms = 0.325;
  report.specs[0].original_device = "Apple laptop GPU";
  report.specs.push_back(
      rank_spec(parse_spec(kBias),
                {failing("naive/plain", Outcome::wrong, "nmse 1"), failing("x/wrong", Outcome::wrong, "nmse 2")},
                {"naive/plain"}, {}));
  report.skips = {{"gemv_rowdot/r4_u2", "matmul_alpha_beta", "alpha_beta not supported", 8},
                  {"gemv_rowdot/r4_u2", "matmul_bias_add", "", 1},
                  {"openblas/f32", "matmul", "disabled: for comparison only", 2}};
  Workload workload;
  workload.name = "qwen2.5-0.5b-f16";
  WorkloadEntry up, bias;
  up.spec = parse_spec(kUp);
  up.calls_per_token = bias.calls_per_token = 24;
  up.sources.push_back({"seed-002", 17, kUp, {"dtA=f16: half"}, {{"mps", "Apple laptop GPU", 0.324, 2280}}, 24});
  bias.spec = parse_spec(kBias);
  workload.entries = {up, bias};
  workload.quarantined.push_back({{"seed-003", 7, "op=fused | n=?", {}, {}, 24}, "no rule for n"});
  report.workloads.push_back(price_workload(workload, report.specs, report.read_gbps));
  WorkloadRow family;
  family.spec_line = "attention_scores n=1..95";
  family.calls_per_token = 24;
  family.best_variant = "batched_small/t2";
  family.best_us = 8;
  family.floor_us = 5;
  family.total_ms = 0.192;
  family.to_win_ms = 0.072;
  family.measured = 14;
  family.interpolated = 81;
  WorkloadTable& table = report.workloads[0];
  table.rows.push_back(family);
  table.calls_per_token += 24;
  table.total_ms += family.total_ms;
  table.to_win_ms += family.to_win_ms;
  return report;
}

/// ASSAY_UPDATE_GOLDEN=1 writes the file anew, to be read in the diff.
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
  report.specs[0] = rank_spec(parse_spec(kUp), {record("gemv_rowdot/r4_u2", 141.2, 273), rounded, failing("x/crash", Outcome::crashed, "signal 11")}, {}, {});
  const std::string text = text_report(report);
  EXPECT_TRUE(contains(text, " | pass | best of class | class=exact | err=0.31 of bound\n")) << text;
  EXPECT_TRUE(contains(text, " | pass | best of class | class=int8_activation | err=0.31 of bound\n")) << text;
  EXPECT_TRUE(contains(text, " | no samples | class=exact\n")) << "what was not checked used nothing";
  EXPECT_TRUE(contains(text, " | best=100.0us | 132.5% of floor | 100.0% of reachable | best exact=141.2us (gemv_rowdot/r4_u2)\n")) << text;
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
  EXPECT_TRUE(contains(text, " | pass | 255 registers, 33280 bytes of shared memory, 16 bytes spilled | class=")) << text;
  EXPECT_TRUE(contains(text, " | 40 registers, 0 bytes of shared memory | class=")) << text;
  EXPECT_FALSE(contains(text, " | 0 registers")) << text;
  EXPECT_TRUE(contains(csv_report(report), ",255,33280,16,exact,0.31\r\n")) << csv_report(report);
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
  EXPECT_TRUE(contains(text_report(sample_report()), "   - x/crash: crashed: signal 11 (SIGSEGV) | no samples | class=exact\n"));
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
  EXPECT_EQ(markdown_table(table), "| a\\|b |\n| --- |\n| x \\| &lt;y> z |\n");
}

TEST(Json, CasesComeBackAsTheyWere) {
  SweepReport report = sample_report();
  CaseRecord& odd = report.specs[0].cases[0].record;
  odd.key_text = "spec=\"x\"\nvariant=\t\xc2\xb5";
  odd.device_us = {0.1, 1e-300, 123456789.123456789, std::numeric_limits<double>::quiet_NaN()};
  odd.head_to_head_us = {1.0 / 3};
  odd.disturbed = {0, 1, 0, 1};
  odd.bytes = (int64_t(1) << 47) + 1;
  odd.errors.max_abs = std::numeric_limits<double>::infinity();
  odd.errors.worst_value = -std::numeric_limits<double>::infinity();
  const std::vector<CaseRecord> back = read_report_json(json_report(report), "r.json");
  ASSERT_EQ(back.size(), 8u);
  const CaseRecord& same = back[0];
  EXPECT_EQ(same.key_text, odd.key_text);
  EXPECT_EQ(same.disturbed, odd.disturbed);
  EXPECT_EQ(same.head_to_head_us, odd.head_to_head_us);
  EXPECT_EQ(same.bytes, odd.bytes);
  EXPECT_EQ(same.errors.max_abs, odd.errors.max_abs);
  EXPECT_EQ(same.errors.worst_value, odd.errors.worst_value);
  ASSERT_EQ(same.device_us.size(), 4u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(same.device_us[i], odd.device_us[i]);
  EXPECT_TRUE(std::isnan(same.device_us[3]));
  SweepReport again = report;
  size_t next = 0;
  for (RankedSpec& spec : again.specs)
    for (RankedCase& ranked : spec.cases) ranked.record = back[next++];
  EXPECT_EQ(json_report(again), json_report(report));
}

TEST(Json, AReportOfBeforeThereWereClassesIsReadAndItsKeysSayWhoRoundedActivations) {
  SweepReport report = sample_report();
  report.specs[0].cases[0].record.key_text = "prepare: false\nactivation error: int8_block32\n";
  std::string old = json_report(report);
  const auto drop = [&](const std::string& part, const std::string& instead) {
    for (size_t at; (at = old.find(part)) != std::string::npos;) old.replace(at, part.size(), instead);
  };
  drop("\"version\":3", "\"version\":2");
  drop("\"accuracy\":\"exact\",", "");
  drop("\"bound_used\":0.31,", "");
  drop("\"bound_used\":0.0,", "");
  const std::vector<CaseRecord> back = read_report_json(old, "r.json");
  EXPECT_EQ(back[0].accuracy, Accuracy::int8_activation);
  EXPECT_EQ(back[1].accuracy, Accuracy::exact);
  EXPECT_TRUE(std::isnan(back[1].errors.bound_used)) << "not known";
}

TEST(Json, BytesThatAreNoUtf8DoNotStopTheReport) {
  SweepReport report = sample_report();
  report.specs[0].cases[0].record.detail = "bad \xff byte";
  EXPECT_EQ(read_report_json(json_report(report), "r.json")[0].detail, "bad \xef\xbf\xbd byte");
}

std::string error_of(const std::string& text) {
  try {
    read_report_json(text, "r.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Json, BadInputNamesTheFileAndThePlace) {
  const std::string good = json_report(sample_report());
  const auto with = [&](const std::string& old_part, const std::string& new_part) {
    std::string text = good;
    const size_t at = text.find(old_part);
    EXPECT_NE(at, std::string::npos) << old_part;
    return error_of(text.replace(at, old_part.size(), new_part));
  };
  EXPECT_EQ(error_of(good), "");
  EXPECT_TRUE(contains(error_of("{"), "r.json:1: not valid JSON"));
  EXPECT_TRUE(contains(error_of("[]"), "not a report of assay"));
  EXPECT_TRUE(contains(error_of("{\"schema\":\"other\"}"), "not a report of assay"));
  EXPECT_TRUE(contains(with("\"version\":3", "\"version\":4"), "r.json at /version: version 4 is newer"));
  EXPECT_TRUE(contains(with("\"version\":3", "\"version\":0"), "/version"));
  EXPECT_TRUE(contains(with("\"outcome\":\"pass\"", "\"outcome\":\"past\""), "/specs/0/cases/0/outcome"));
  EXPECT_TRUE(contains(with("\"flops\":17432576", "\"flops\":\"x\""), "/specs/0/cases/0/flops"));
  EXPECT_TRUE(contains(with("\"flops\"", "\"flop\""), "unknown key \"flop\"; did you mean"));
  EXPECT_TRUE(contains(with("\"disturbed\":[0", "\"disturbed\":[256"), "/specs/0/cases/0/disturbed/0"));
  EXPECT_TRUE(contains(with("\"nan_count\":0", "\"nan_count\":null"), "/specs/0/cases/0/errors/nan_count"));
  EXPECT_TRUE(contains(with("\"floor_us\":132.5", "\"floor_us\":1e999"), "r.json"));
}

}  // namespace
}  // namespace assay
