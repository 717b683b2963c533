// Laws of compare: what matches, what counts as a regression, and what the reader is told.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/terminal.h"
#include "report/compare.h"
#include "report/compare_formats.h"
#include "report/csv.h"

namespace assay {
namespace {

std::string line(int n) {
  return "op=matmul | batch=1 | m=1 | n=" + std::to_string(n) + " | k=896 | tA=0 | tB=1 | dtA=f16 | dtB=f16 | dtD=f16";
}

CaseRecord record(const std::string& variant, double us, int n = 9728) {
  CaseRecord result;
  result.spec_line = line(n);
  result.math_line = "maths of " + std::to_string(n);
  result.variant = variant;
  result.device = "cpu:0";
  result.mode = "decode";
  for (int i = 0; i < 40; ++i) result.device_us.push_back(us * (1 + 0.0005 * (i * 7 % 10 - 4.5)));
  result.host_us = result.device_us;
  result.disturbed.assign(40, 0);
  return result;
}

CaseRecord failed(CaseRecord result, Outcome outcome, const std::string& detail = "") {
  result.outcome = outcome;
  result.detail = detail;
  return result;
}

TEST(Compare, TheSameSamplesAreTheSame) {
  const CompareReport report = compare_records({record("a/x", 100)}, {record("a/x", 100)});
  ASSERT_EQ(report.rows.size(), 1u);
  EXPECT_EQ(report.rows[0].word(), "SAME");
  EXPECT_FALSE(report.regressed());
}

TEST(Compare, ASlowerCaseIsARegressionAndAFasterOneIsNot) {
  const CompareReport slower = compare_records({record("a/x", 100)}, {record("a/x", 120)});
  EXPECT_EQ(slower.rows[0].word(), "SLOWER");
  EXPECT_NEAR(slower.rows[0].comparison.ratio, 1.2, 0.01);
  EXPECT_TRUE(slower.regressed());
  const CompareReport faster = compare_records({record("a/x", 120)}, {record("a/x", 100)});
  EXPECT_EQ(faster.rows[0].word(), "FASTER");
  EXPECT_FALSE(faster.regressed());
}

TEST(Compare, WhatTheMemoryExplainsIsUnsureAndWhatItDoesNotIsADifference) {
  const auto beside_reader = [](double us, double reachable_us) {
    CaseRecord result = record("a/x", us);
    result.reachable_us = reachable_us;
    return result;
  };
  const auto word = [](const CaseRecord& before, const CaseRecord& after) {
    return compare_records({before}, {after}).rows[0].word();
  };
  EXPECT_EQ(word(beside_reader(100, 90), beside_reader(130, 117)), "UNSURE");
  EXPECT_EQ(word(beside_reader(130, 117), beside_reader(100, 90)), "UNSURE");
  EXPECT_EQ(word(beside_reader(100, 90), beside_reader(130, 90)), "SLOWER");
  EXPECT_EQ(word(beside_reader(130, 90), beside_reader(100, 91)), "FASTER");
  EXPECT_EQ(word(beside_reader(100, 90), beside_reader(160, 108)), "SLOWER") << "slower by more than the memory";
  EXPECT_EQ(word(beside_reader(100, 90), beside_reader(100, 180)), "SAME") << "bound by arithmetic";
}

/// A case of the build `key`.
CaseRecord built(const std::string& variant, const std::string& key, double us, int n = 9728) {
  CaseRecord result = record(variant, us, n);
  result.key = key;
  return result;
}

TEST(Compare, ADifferenceMustExceedThatOfEveryCaseOfItsSpecWhoseCodeIsTheSame) {
  const auto word = [](const std::string& after_key, double after_us, const CaseRecord& control) {
    return compare_records({built("a/x", "1", 100), built("a/control", "2", 100)},
                           {built("a/x", after_key, after_us), control})
        .rows[0]
        .word();
  };
  const CaseRecord faster = built("a/control", "2", 85), slower = built("a/control", "2", 115);
  EXPECT_EQ(word("1", 85, faster), "UNSURE");
  EXPECT_EQ(word("1", 70, faster), "FASTER");
  EXPECT_EQ(word("new", 85, faster), "UNSURE") << "whether its code is new or not";
  EXPECT_EQ(word("new", 70, faster), "FASTER");
  EXPECT_EQ(word("new", 117, slower), "UNSURE");
  EXPECT_EQ(word("new", 130, slower), "SLOWER");
  EXPECT_EQ(word("new", 85, slower), "FASTER") << "against what the machine did";
  EXPECT_EQ(word("new", 85, built("a/control", "new", 85)), "FASTER") << "its code is another: no control";
  EXPECT_EQ(word("new", 130, built("a/control", "2", 100)), "SLOWER") << "the very samples of before: no control";
  EXPECT_EQ(word("new", 85, built("a/control", "2", 85, 896)), "FASTER") << "another spec";
  CaseRecord abandoned = faster;
  abandoned.tags = {"abandoned"};
  EXPECT_EQ(word("new", 85, abandoned), "FASTER") << "let go after a few launches, it says too little";
}

TEST(Compare, TheTextSaysWhatCasesDidWhoseCodeIsTheSame) {
  const std::vector<CaseRecord> before{built("a/x", "1", 100), built("a/y", "2", 100), built("a/z", "3", 100)};
  const std::string text =
      compare_text(compare_records(before, {built("a/x", "1", 85), built("a/y", "2", 90), built("a/z", "new", 50)}));
  EXPECT_NE(text.find("B/A of the 2 cases that are the same build in both: 0.875 in the median, "), std::string::npos)
      << text;
  EXPECT_EQ(compare_text(compare_records(before, before)).find("B/A of the"), std::string::npos) << "measured once";
}

TEST(Compare, WhatWasLetGoEarlyOnEitherSideIsNoRegression) {
  CaseRecord abandoned = record("a/x", 150);
  abandoned.tags = {"abandoned"};
  EXPECT_EQ(compare_records({record("a/x", 100)}, {abandoned}).rows[0].word(), "UNSURE");
  EXPECT_EQ(compare_records({abandoned}, {record("a/x", 100)}).rows[0].word(), "UNSURE");
}

TEST(Compare, WhatPassedAndDoesNowNotIsARegressionWithItsReason) {
  const CompareReport report =
      compare_records({record("a/x", 100)}, {failed(record("a/x", 50), Outcome::wrong, "max error at 17")});
  EXPECT_EQ(report.rows[0].word(), "BROKEN");
  EXPECT_TRUE(report.regressed());
  const std::string text = compare_text(report);
  EXPECT_NE(text.find("BROKEN: " + line(9728) + " @ a/x: pass -> wrong: max error at 17"), std::string::npos) << text;
}

TEST(Compare, WhatFailedBeforeCannotRegress) {
  const CaseRecord broken = failed(record("a/x", 50), Outcome::crashed);
  EXPECT_EQ(compare_records({broken}, {record("a/x", 100)}).rows[0].word(), "FIXED");
  EXPECT_EQ(compare_records({broken}, {broken}).rows[0].word(), "FAILING");
  CaseRecord absent = broken;
  absent.outcome = Outcome::unsupported;
  EXPECT_EQ(compare_records({absent}, {absent}).rows[0].word(), "ABSENT")
      << "what a library does not have is no failure";
  CaseRecord noisy = record("a/x", 50);
  noisy.outcome = Outcome::noisy;
  EXPECT_EQ(compare_records({noisy}, {noisy}).rows[0].word(), "NOISY") << "it was measured: it is not absent";
  EXPECT_EQ(compare_records({absent}, {noisy}).rows[0].word(), "NOISY");
  EXPECT_NE(counts_line(compare_records({noisy}, {noisy})).find("NOISY 1"), std::string::npos);
  EXPECT_NE(compare_junit(compare_records({noisy}, {noisy})).find("NOISY: noisy on both sides"), std::string::npos);
  EXPECT_FALSE(compare_records({broken}, {record("a/x", 100)}).regressed());
  EXPECT_FALSE(compare_records({broken}, {broken}).regressed());
}

TEST(Compare, OnlyCasesOfTheSameMathsVariantDeviceAndModeMeet) {
  CaseRecord hot = record("a/x", 100), other_device = record("a/x", 100);
  hot.mode = "hot";
  other_device.device = "cpu:1";
  const CompareReport report = compare_records({record("a/x", 100), record("b/x", 100), record("a/x", 100, 896)},
                                               {record("a/x", 100), hot, other_device});
  EXPECT_EQ(report.rows.size(), 1u);
  EXPECT_EQ(report.only_before, (std::vector<std::string>{line(9728) + " @ b/x", line(896) + " @ a/x"}));
  EXPECT_EQ(report.only_after.size(), 2u);
  EXPECT_FALSE(report.regressed());
}

TEST(Compare, TheNewestRecordOfACaseSpeaksForIt) {
  CaseRecord old_build = record("a/x", 50), new_build = record("a/x", 100);
  new_build.measured_at = 2;
  old_build.measured_at = 1;
  const CompareReport report = compare_records({new_build, old_build}, {record("a/x", 100)});
  ASSERT_EQ(report.rows.size(), 1u);
  EXPECT_EQ(report.rows[0].word(), "SAME");
}

TEST(Compare, RoundsAreComparedWithRoundsOnly) {
  CaseRecord with_rounds = record("a/x", 100);
  with_rounds.head_to_head_us.assign(20, 130);
  EXPECT_EQ(compare_records({with_rounds}, {record("a/x", 100)}).rows[0].word(), "SAME");
  EXPECT_EQ(compare_records({with_rounds}, {with_rounds}).rows[0].before.median, 130);
}

TEST(Compare, NothingToCompareIsNoRegression) {
  EXPECT_FALSE(compare_records({}, {}).regressed());
  EXPECT_NE(compare_text(compare_records({}, {})).find("Compared 0 cases"), std::string::npos);
  CaseRecord empty = record("a/x", 100);
  empty.device_us.clear();
  EXPECT_EQ(compare_records({empty}, {empty}).rows[0].word(), "UNSURE");
}

CompareReport sample() {
  CaseRecord elsewhere = record("a/same", 100);
  elsewhere.environment = "e2";
  return compare_records({record("a/same", 100), record("a/slow", 100), record("a/fast", 100), record("a/broken", 100),
                          record("a/gone", 100)},
                         {elsewhere, record("a/slow", 120), record("a/fast", 80),
                          failed(record("a/broken", 90), Outcome::timed_out, "2 s"), record("a/new", 100)});
}

TEST(Compare, TheTextMatchesItsGolden) {
  const std::string file = std::string(ASSAY_SOURCE_DIR) + "/tests/golden/compare.txt";
  const std::string text = compare_text(sample(), {.verbose = true});
  if (std::getenv("ASSAY_UPDATE_GOLDEN")) write_file(file, text);
  EXPECT_EQ(text, read_file(file));
}

TEST(Compare, TheTableFitsANarrowTerminal) {
  for (size_t width = 1; width < 120; ++width) {
    const std::string text = render_table(compare_table(sample()), width);
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      ASSERT_LE(display_width(text.substr(begin, end - begin)), width);
  }
}

}  // namespace
}  // namespace assay
