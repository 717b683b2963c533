// Laws of a comparison's other forms: valid XML and JSON whatever the names hold, one annotation a regression, verdicts
// that agree with help.
#include "report/compare_formats.h"

#include <gtest/gtest.h>

#include <stack>

#include "base/json.h"

namespace assay {
namespace {

CaseRecord record(const std::string& variant, double us, double step = 0.0005) {
  CaseRecord result;
  result.spec_line = "op=matmul | n=64";
  result.math_line = "maths";
  result.variant = variant;
  result.device = "cpu:0";
  result.mode = "decode";
  for (int i = 0; i < 40; ++i) result.device_us.push_back(us * (1 + step * (i * 7 % 10 - 4.5)));
  result.host_us = result.device_us;
  result.disturbed.assign(40, 0);
  return result;
}

CaseRecord failed(CaseRecord result, const std::string& detail) {
  result.outcome = Outcome::crashed;
  result.detail = detail;
  return result;
}

const std::string kOdd = "a<b>&\"'\x01\xff\xed\xa0\x80\xef\xbf\xbf]]>\n::error::x%0A,\xc3\xa9";

CompareReport sample() {
  return compare_records(
      {record("v/same", 100), record("v/slow", 100), record("v/broken", 100), record("v/unsure", 100, 0.1),
       failed(record("v/bad", 1), "x"), record("v/fixed", 1), record("v/gone", 1)},
      {record("v/same", 100), record("v/slow", 120), failed(record("v/broken", 1), kOdd), record("v/unsure", 101, 0.1),
       failed(record("v/bad", 1), "x"), record("v/fixed", 1), record("v/new" + kOdd, 1)});
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

/// What XML 1.0 asks for of a document without comments and sections, in so far as writing can break it; "" if all
/// holds.
std::string xml_fault(const std::string& text) {
  for (const unsigned char c : text)
    if (c < ' ' && c != '\n' && c != '\t' && c != '\r') return "a control character";
  std::stack<std::string> open;
  size_t at = text.starts_with("<?xml") ? text.find("?>") + 2 : 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '&') {
      const size_t end = text.find(';', at);
      if (end == std::string::npos || text.compare(at, 2, "&#") != 0) return "a bare &";
      const int code = std::stoi(text.substr(at + 2, end - at - 2));
      if (code < 32 && code != 9 && code != 10 && code != 13) return "a reference to a control character";
    }
    if (text[at] == '>') return "a bare >";
    if (text[at] != '<') continue;
    const size_t end = text.find('>', at);
    if (end == std::string::npos) return "an open tag";
    const std::string tag = text.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos) return "a < in a tag";
    if (count_of(tag, "\"") % 2 != 0) return "an open quote in " + tag;
    if (tag[0] == '/') {
      if (open.empty() || open.top() != tag.substr(1)) return "tags that cross";
      open.pop();
    } else if (tag.back() != '/') {
      open.push(tag.substr(0, tag.find(' ')));
    }
    at = end;
  }
  return open.empty() ? "" : "a tag that is not closed";
}

TEST(CompareFormats, JUnitIsValidXmlWhateverNamesAndMessagesHold) {
  const std::string xml = compare_junit(sample());
  EXPECT_EQ(xml_fault(xml), "") << xml;
  EXPECT_NE(xml.find("a&#60;b&#62;&#38;&#34;&#39;"
                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd]"
                     "]&#62;&#10;"),
            std::string::npos)
      << xml;
  EXPECT_NE(xml.find("\xc3\xa9"), std::string::npos) << "what is text stays";
  EXPECT_EQ(Json::parse(Json(xml).dump()), xml) << "and all of it is UTF-8";
}

TEST(CompareFormats, JUnitCountsWhatItHolds) {
  const std::string xml = compare_junit(sample());
  EXPECT_EQ(count_of(xml, "<testcase "), 8u);
  EXPECT_EQ(count_of(xml, "<failure "), 2u);
  EXPECT_EQ(count_of(xml, "<skipped "), 4u) << "UNSURE, FAILING, only in A, only in B";
  EXPECT_NE(xml.find("<testsuite name=\"assay compare\" tests=\"8\" failures=\"2\" errors=\"0\" skipped=\"4\""),
            std::string::npos)
      << xml;
  EXPECT_NE(xml.find("<failure type=\"SLOWER\" message=\"SLOWER: op=matmul | n=64 @ v/slow: 100.00 -&#62; 120.00 us"),
            std::string::npos)
      << xml;
}

TEST(CompareFormats, GithubHasAnErrorForEachRegressionOnALineOfItsOwn) {
  const std::string text = compare_github(sample());
  EXPECT_EQ(count_of(text, "::error title="), 2u) << text;
  EXPECT_EQ(count_of(text, "::warning title="), 3u) << text;
  EXPECT_EQ(count_of(text, "\n"), 6u) << text;
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    EXPECT_EQ(text.compare(at, 2, "::"), 0) << text.substr(at);
  EXPECT_NE(text.find("%25"), std::string::npos) << "a per cent sign is escaped\n" << text;
  EXPECT_NE(text.find("::error title=assay%3A SLOWER v/slow::SLOWER: op=matmul"), std::string::npos) << text;
}

TEST(CompareFormats, JsonHasEveryRowAndWhatIsUnknownIsNull) {
  const Json json = parse_json(compare_json(sample()), "x");
  EXPECT_EQ(json["schema"], "assay-compare");
  EXPECT_EQ(json["cases"].size(), 6u);
  EXPECT_TRUE(json["regressed"].get<bool>());
  EXPECT_EQ(json["only_before"].size(), 1u);
  for (const Json& row : json["cases"]) {
    const bool broken = row["variant"] == "v/broken";
    EXPECT_EQ(row["regressed"].get<bool>(), broken || row["variant"] == "v/slow");
    EXPECT_EQ(row["ratio"].is_null(), broken || row["before_outcome"] != "pass") << row;
  }
}

TEST(CompareFormats, MarkdownNamesEachRegression) {
  const std::string text = compare_markdown(sample());
  EXPECT_EQ(count_of(text, "- `SLOWER: "), 1u) << text;
  EXPECT_EQ(count_of(text, "- `BROKEN: "), 1u) << text;
}

TEST(CompareFormats, AVerdictAgreesWithTheIntervalThatIsShown) {
  for (const double step : {0.0005, 0.01, 0.05, 0.2})
    for (const double after : {80.0, 97.0, 99.0, 100.0, 101.0, 104.0, 130.0}) {
      const CompareRow row = compare_records({record("v/x", 100, step)}, {record("v/x", after, step)}).rows[0];
      const bool inside = row.comparison.ratio_low >= 0.97 && row.comparison.ratio_high <= 1.03;
      EXPECT_EQ(row.word() == "SAME", inside)
          << step << " " << after << " " << row.comparison.ratio_low << " " << row.comparison.ratio_high;
      EXPECT_TRUE(row.word() != "SLOWER" || row.comparison.ratio_low > 1.03) << step << " " << after;
      EXPECT_TRUE(row.word() != "FASTER" || row.comparison.ratio_high < 0.97) << step << " " << after;
    }
}

TEST(CompareFormats, TheVerySamplesOfOneMeasurementHaveTheRatioOneWithoutDoubt) {
  const CompareRow row = compare_records({record("v/x", 100, 0.2)}, {record("v/x", 100, 0.2)}).rows[0];
  EXPECT_EQ(row.word(), "SAME");
  EXPECT_EQ(row.comparison.ratio_low, 1);
  EXPECT_EQ(row.comparison.ratio_high, 1);
}

}  // namespace
}  // namespace assay
