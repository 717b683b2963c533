// Laws of the first screen: it fits, the verdict comes first, what is left out says where it is; skips are a line a
// reason.
#include "report/verdict.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/terminal.h"
#include "report/screen.h"
#include "report/skips.h"
#include "report/text.h"
#include "text_lines.h"

namespace assay {
namespace {

CaseRecord record(const std::string& variant, double us, Accuracy accuracy = Accuracy::exact) {
  CaseRecord result;
  result.variant = variant;
  result.accuracy = accuracy;
  result.device = "cpu:0";
  result.mode = "decode";
  for (int i = 0; i < 12; ++i) result.device_us.push_back(us * (1 + 0.0012 * (i % 4 - 1.5)));
  result.host_us = result.device_us;
  result.disturbed.assign(12, 0);
  result.bytes = 17'452'544;
  result.floor_us = us / 2;
  result.errors.launches_checked = 3;
  result.errors.bound_used = 0.25;
  return result;
}

std::string line(int64_t n) {
  return "op=matmul | batch=1 | m=1 | n=" + std::to_string(n) + " | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16";
}

/// Two workloads of `specs` each, some cases failing, and skips of many reasons.
SweepReport report_of(int specs, int failing) {
  SweepReport report;
  report.device = "cpu:0";
  report.device_text = "Example CPU (Zen 4), 2 threads, avx512";
  report.method = "decode";
  report.store_file = "/home/someone/.local/state/assay/results.sqlite";
  for (const std::string name : {"large-model-f16", "small-model-q8"}) {
    Workload workload;
    workload.name = name;
    for (int i = 1; i <= specs; ++i) {
      WorkloadEntry entry;
      entry.spec = parse_spec(line(64 * i + (name == "small-model-q8")));
      entry.calls_per_token = 24;
      std::vector<CaseRecord> records = {record("naive/loop", 300.0 * i),
                                         record("q8_dot/i8act_r2_p0", 90.0 * i, Accuracy::int8_activation)};
      for (int f = 0; f < failing; ++f) {
        records.push_back(record("broken/kernel" + std::to_string(f), 10));
        records.back().outcome = f % 2 ? Outcome::noisy : Outcome::crashed;
        records.back().detail =
            "signal 11 (SIGSEGV) at a place that takes many words to name, as compilers and drivers like to do";
      }
      report.specs.push_back(rank_spec(entry.spec, records, {}, {}));
      report.specs.back().in_workload = true;
      workload.entries.push_back(entry);
    }
    report.workloads.push_back(price_workload(workload, report.specs, 40));
  }
  report.cases_planned = int64_t(report.specs.size()) * (2 + failing);
  for (int i = 0; i < 40; ++i)
    report.skips.push_back({"gemv/r" + std::to_string(i), "matmul",
                            "unsupported: n is " + std::to_string(64 * i) + ", supports up to 32", 2});
  report.skips.push_back({"gemv/old", "matmul", "disabled: seen on Zen 4: slower", 7});
  return report;
}

void expect_fits(const std::string& text, size_t width, const std::string& what) {
  for (const std::string& one : lines_of(text)) EXPECT_LE(display_width(one), width) << what << ": " << one;
}

TEST(Verdict, FitsOneScreenWhateverThereIsToSay) {
  for (const int specs : {0, 1, 7, 30})
    for (const int failing : {0, 1, 12})
      for (const size_t width : {20u, 40u, 80u, 200u})
        for (const bool colour : {false, true}) {
          const std::string text = verdict_report(report_of(specs, failing), {width, 40}, colour);
          const std::string what = fmt::format("{} specs, {} failing, {} columns", specs, failing, width);
          expect_fits(text, width, what);
          EXPECT_LE(lines_of(text).size(), width >= 40 ? 39u : 60u) << what;
          EXPECT_EQ(contains(text, "\x1b"), colour);
        }
}

TEST(Verdict, SaysWhatAWorkloadCostsWhoWinsAndWhatCouldBeWonBeforeAnyProblem) {
  const SweepReport report = report_of(2, 1);
  const std::string text = verdict_report(report);
  EXPECT_TRUE(contains(
      text, "large-model-f16: 6.480 ms per token, floor 3.240, still to win 3.240; exact\n  variants alone 21.600\n"))
      << text;
  EXPECT_TRUE(contains(text, "  matmul N:128 K:896 NT  q8_dot/i8act_r2_p0  int8   180.00     50.0     4.320\n"))
      << text;
  EXPECT_LT(text.find("N:128"), text.find("N:64")) << "the hottest first";
  EXPECT_LT(text.find("small-model-q8:"), text.find("Problems"));
  EXPECT_TRUE(contains(text, "12 cases: 8 passed, 4 failed, 0 noisy, 0 disturbed")) << text;
  EXPECT_TRUE(contains(text, "  broken/kernel0: matmul crashed 4 (signal 11")) << text;
  EXPECT_TRUE(contains(text, "Every variant: --full. 87 pairs left out: --skips."));
}

TEST(Verdict, RowsThatDoNotFitAreCountedWithTheirTime) {
  const std::string text = verdict_report(report_of(60, 0));
  double shown = 0;
  int rest = 0;
  for (const std::string& one : lines_of(text)) {
    if (!contains(one, "matmul N:") && !contains(one, " more ")) continue;
    rest += contains(one, " more ");
    shown += std::stod(one.substr(one.rfind(' ')));
  }
  EXPECT_EQ(rest, 2);
  EXPECT_NEAR(shown, 2 * 24 * 90.0 * (60 * 61 / 2) / 1e3, 1);
}

TEST(Verdict, CountsWhatWasDisturbedAndSpecsOfNoWorkload) {
  SweepReport report = report_of(1, 0);
  report.specs[0].cases[0].record.tags = {"disturbed"};
  report.specs[0].in_workload = false;
  const std::string text = verdict_report(report);
  EXPECT_TRUE(contains(text, "1 disturbed")) << text;
  EXPECT_TRUE(contains(text, "Specs of no workload"));
}

TEST(Verdict, WideCharactersCountTwice) {
  for (const size_t width : {40u, 80u}) {
    SweepReport report = report_of(3, 2);
    report.device_text = "とても長い名前のプロセッサとても長い名前のプロセッサとても長い名前のプロセッサ";
    report.workloads[0].name = "大きなモデル";
    report.workloads[0].rows[0].spec_line = "注意の行列積 n=1..95とても長い名前の演算とても長い名前の演算";
    for (RankedSpec& spec : report.specs)
      spec.cases[0].record.detail = "失敗した理由はとても長い説明になることがある失敗した理由はとても長い説明";
    expect_fits(verdict_report(report, {width, 40}), width, "verdict");
    expect_fits(text_report(report, {.width = width}), width, "full");
  }
}

TEST(ProbeText, APipeGetsTheSeedsLinesATerminalTheVerdictAndAllOnRequest) {
  const SweepReport report = report_of(3, 1);
  const Terminal pipe, terminal{.interactive = true, .width = 80, .height = 40};
  EXPECT_EQ(probe_text(report, {}, pipe), text_report(report));
  EXPECT_EQ(probe_text(report, {.full = true}, pipe), text_report(report));
  EXPECT_EQ(probe_text(report, {}, terminal), verdict_report(report));
  for (const size_t width : {40u, 80u, 200u}) {
    Terminal other = terminal;
    other.width = width;
    const std::string full = probe_text(report, {.full = true, .skips = true}, other);
    expect_fits(full, width, "full");
    for (const char* variant : {"naive/loop", "q8_dot/i8act_r2_p0", "broken/kernel0"})
      EXPECT_TRUE(contains(full, variant) || width < 80) << variant << " at " << width;
  }
}

TEST(Skips, AlikeReasonsAreOneLineWithTheirSizesAndPairsAddUp) {
  const SweepReport report = report_of(1, 0);
  const std::vector<SkipReason> reasons = skip_reasons(report.skips);
  ASSERT_EQ(reasons.size(), 2u);
  EXPECT_EQ(reasons[0].reason, "unsupported: n is 0 to 2496 (40 sizes), supports up to 32");
  EXPECT_EQ(reasons[0].pairs, 80);
  EXPECT_EQ(reasons[0].families, (std::vector<std::pair<std::string, int64_t>>{{"gemv", 40}}));
  EXPECT_EQ(reasons[1].reason, "disabled: seen on Zen 4: slower");
  EXPECT_EQ(skip_report(report.skips, 0),
            "Left out: 87 pairs of spec and variant for 2 reasons [families, x variants]\n"
            "  80  unsupported: n is 0 to 2496 (40 sizes), supports up to 32 [gemv x40]\n"
            "   7  disabled: seen on Zen 4: slower [gemv]\n");
  for (const size_t width : {20u, 40u, 80u}) expect_fits(skip_report(report.skips, width), width, "skips");
  EXPECT_EQ(skip_report({}, 80), "");
}

TEST(Skips, EstimatesOfLaunchesThatTakeTooLongAreOneLine) {
  const auto skip = [](int seconds) {
    return SkipGroup{"naive/loop", "matmul", fmt::format("too_long: one launch takes about {} s, at 4 X", seconds), 1};
  };
  const std::vector<SkipReason> reasons = skip_reasons({skip(5), skip(18)});
  ASSERT_EQ(reasons.size(), 1u);
  EXPECT_EQ(reasons[0].reason, "too_long: one launch takes about 5 to 18 (2 sizes) s, at 4 X");
}

}  // namespace
}  // namespace assay
