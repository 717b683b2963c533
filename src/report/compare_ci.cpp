// A comparison of two sweeps for CI systems: JUnit XML and GitHub's workflow commands.
#include <fmt/format.h>

#include <algorithm>

#include "base/terminal.h"
#include "report/compare_formats.h"

namespace assay {
namespace {

/// The bytes of the UTF-8 character at `at` that XML 1.0 allows; 0 for any other byte.
size_t xml_character(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  uint32_t point = first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_character =
      point >= kLeast[size] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) && (point & 0xfffe) != 0xfffe;
  return is_character && first >= 0xc2 && first <= 0xf4 ? size : 0;
}

/// For attributes and for text; what no XML document may hold becomes U+FFFD.
std::string xml(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t size = xml_character(text, at);
    const char c = text[at];
    if (size == 0)
      out += "\xef\xbf\xbd";
    else if (size == 1 && (c < ' ' || c == '&' || c == '<' || c == '>' || c == '"' || c == '\''))
      out += fmt::format("&#{};", int(c));
    else
      out += text.substr(at, size);
    at += std::max<size_t>(size, 1);
  }
  return out;
}

struct Counted {
  std::string cases;
  size_t failures = 0, skipped = 0, all = 0;
  double seconds = 0;
};

void add_case(Counted& counted, const std::string& spec, const std::string& name, double us, const std::string& inner) {
  ++counted.all;
  counted.seconds += us * 1e-6;
  counted.cases +=
      fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.9f}\"", xml(spec), xml(name), us * 1e-6);
  counted.cases += inner.empty() ? "/>\n" : fmt::format(">\n      {}\n    </testcase>\n", inner);
}

std::string skipped(Counted& counted, const std::string& why) {
  ++counted.skipped;
  return fmt::format("<skipped message=\"{}\"/>", xml(why));
}

/// Why no verdict was reached, or "".
std::string unjudged(const CompareRow& row) {
  const std::string word = row.word();
  if (word == "UNSURE")
    return fmt::format("UNSURE: B/A {:.3f} [{:.3f}, {:.3f}]", row.comparison.ratio, row.comparison.ratio_low,
                       row.comparison.ratio_high);
  if (word == "FAILING" || word == "NOISY" || word == "ABSENT")
    return row.before_outcome == row.after_outcome
               ? fmt::format("{}: {} on both sides", word, outcome_name(row.after_outcome))
               : fmt::format("{}: {} before, {} after", word, outcome_name(row.before_outcome),
                             outcome_name(row.after_outcome));
  return "";
}

void add_row(Counted& counted, const CompareRow& row) {
  std::string inner;
  if (row.regressed()) {
    ++counted.failures;
    const std::string line = regression_line(row);
    inner = fmt::format("<failure type=\"{}\" message=\"{}\">{}</failure>", row.word(), xml(line), xml(line));
  } else if (const std::string why = unjudged(row); !why.empty()) {
    inner = skipped(counted, why);
  }
  const double us = row.after_outcome == Outcome::pass && row.after.count > 0 ? row.after.median : 0;
  add_case(counted, row.spec_line, fmt::format("{} [{} {}]", row.variant, row.device, row.mode), us, inner);
}

/// Of "spec line @ variant".
void add_lonely(Counted& counted, const std::vector<std::string>& names, const std::string& side) {
  for (const std::string& name : names) {
    const size_t at = name.rfind(" @ ");
    const std::string spec = name.substr(0, at), variant = at == std::string::npos ? name : name.substr(at + 3);
    add_case(counted, spec, fmt::format("{} [only in {}]", variant, side), 0, skipped(counted, "only in " + side));
  }
}

/// A value of a workflow command; in a property, ',' and ':' would end it.
std::string github(const std::string& text, bool property = false) {
  std::string out;
  for (const char c : text) {
    const bool escaped = c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','));
    out += escaped ? fmt::format("%{:02X}", int(c)) : std::string(1, c);
  }
  return out;
}

std::string annotation(const char* level, const std::string& title, const std::string& message) {
  return fmt::format("::{} title={}::{}\n", level, github(title, true), github(one_line(message)));
}

}  // namespace

std::string compare_junit(const CompareReport& report) {
  Counted counted;
  for (const CompareRow& row : report.rows) add_row(counted, row);
  add_lonely(counted, report.only_before, "A");
  add_lonely(counted, report.only_after, "B");
  const std::string counts =
      fmt::format("name=\"assay compare\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.9f}\"",
                  counted.all, counted.failures, counted.skipped, counted.seconds);
  const std::string suite = counts.substr(0, counts.find(" skipped"));  // <testsuites> has no such attribute
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {} time=\"{:.9f}\">\n  <testsuite {}>\n{}  "
      "</testsuite>\n</testsuites>\n",
      suite, counted.seconds, counts, counted.cases);
}

std::string compare_github(const CompareReport& report) {
  std::string out;
  size_t unsure = 0, failing = 0;
  for (const CompareRow& row : report.rows) {
    if (row.regressed()) out += annotation("error", "assay: " + row.word() + " " + row.variant, regression_line(row));
    unsure += row.word() == "UNSURE";
    failing += row.word() == "FAILING";
  }
  if (!report.only_before.empty())
    out += annotation(
        "warning", "assay: cases are gone",
        fmt::format("{} cases of A are not in B, the first: {}", report.only_before.size(), report.only_before[0]));
  if (failing > 0) out += annotation("warning", "assay: FAILING", fmt::format("{} cases fail on both sides", failing));
  if (unsure > 0)
    out += annotation(
        "warning", "assay: UNSURE",
        fmt::format("{} of {} cases could not be judged: measure again, with --thorough", unsure, report.rows.size()));
  return out + annotation("notice", "assay compare", counts_line(report));
}

}  // namespace assay
