// Laws of the JSON report: what is written comes back, older ones are read, bad ones are named.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "report/json.h"
#include "sample_report.h"
#include "text_lines.h"

namespace assay {
namespace {

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
  drop("\"version\":4", "\"version\":2");
  drop("\"accuracy\":\"exact\",", "");
  drop("\"bound_used\":0.31,", "");
  drop("\"bound_used\":0.0,", "");
  const std::vector<CaseRecord> back = read_report_json(old, "r.json");
  EXPECT_EQ(back[0].accuracy, Accuracy::int8_activation);
  EXPECT_EQ(back[1].accuracy, Accuracy::exact);
  EXPECT_TRUE(std::isnan(back[1].errors.bound_used)) << "not known";
}

TEST(Json, CountsComeBackAndAReportOfBeforeTheyWereCountedHasNone) {
  SweepReport report = sample_report();
  report.specs[0].cases[0].record.dram_bytes = 1605632;
  report.specs[0].cases[0].record.instructions = 12345.5;
  std::string text = json_report(report);
  const std::vector<CaseRecord> back = read_report_json(text, "r.json");
  EXPECT_EQ(back[0].dram_bytes, 1605632);
  EXPECT_EQ(back[0].instructions, 12345.5);
  EXPECT_TRUE(std::isnan(back[0].cycles));
  for (const std::string key : {"\"dram_bytes\":", "\"instructions\":", "\"cycles\":"})
    for (size_t at = 0; (at = text.find(key, at)) != std::string::npos;)
      if (text[at + key.size()] == '"')
        ++at;  // what it means
      else
        text.erase(at, text.find(',', at) + 1 - at);
  text.replace(text.find("\"version\":4"), 11, "\"version\":3");
  EXPECT_TRUE(std::isnan(read_report_json(text, "r.json")[0].dram_bytes));
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
  EXPECT_TRUE(contains(with("\"version\":4", "\"version\":5"), "r.json at /version: version 5 is newer"));
  EXPECT_TRUE(contains(with("\"version\":4", "\"version\":0"), "/version"));
  EXPECT_TRUE(contains(with("\"outcome\":\"pass\"", "\"outcome\":\"past\""), "/specs/0/cases/0/outcome"));
  EXPECT_TRUE(contains(with("\"flops\":17432576", "\"flops\":\"x\""), "/specs/0/cases/0/flops"));
  EXPECT_TRUE(contains(with("\"flops\"", "\"flop\""), "unknown key \"flop\"; did you mean"));
  EXPECT_TRUE(contains(with("\"disturbed\":[0", "\"disturbed\":[256"), "/specs/0/cases/0/disturbed/0"));
  EXPECT_TRUE(contains(with("\"nan_count\":0", "\"nan_count\":null"), "/specs/0/cases/0/errors/nan_count"));
  EXPECT_TRUE(contains(with("\"floor_us\":132.5", "\"floor_us\":1e999"), "r.json"));
}

}  // namespace
}  // namespace assay
