// A comparison of two sweeps for programs and pages: JSON and Markdown.
#include "report/compare_formats.h"

#include <fmt/format.h>

#include "base/json.h"
#include "report/markdown.h"
#include "report/table_json.h"

namespace assay {
namespace {

Json controls_json(const CompareReport& report) {
  const std::vector<double> ratios = report.control_ratios();
  if (ratios.empty()) return {{"count", 0}};
  return {{"count", ratios.size()},
          {"median", percentile(ratios, 50)},
          {"p5", percentile(ratios, 5)},
          {"p95", percentile(ratios, 95)}};
}

std::vector<std::string> as_code(const std::vector<std::string>& names) {
  std::vector<std::string> pieces;
  for (const std::string& name : names) pieces.push_back(markdown_code(name));
  return pieces;
}

}  // namespace

std::string compare_json(const CompareReport& report) {
  const Json rows = to_json(compare_table(report));
  Json cases = Json::array();
  for (size_t i = 0; i < report.rows.size(); ++i) {
    Json row = rows[i];
    row["after_detail"] = report.rows[i].after_detail;
    row["environment_changed"] = report.rows[i].environment_changed;
    row["regressed"] = report.rows[i].regressed();
    cases.push_back(std::move(row));
  }
  return json_line({{"schema", "assay-compare"},
                    {"version", 1},
                    {"threshold", report.threshold},
                    {"regressed", report.regressed()},
                    {"controls", controls_json(report)},
                    {"cases", std::move(cases)},
                    {"only_before", report.only_before},
                    {"only_after", report.only_after}});
}

std::string compare_markdown(const CompareReport& report) {
  std::vector<std::string> regressions;
  for (const CompareRow& row : report.rows)
    if (row.regressed()) regressions.push_back(markdown_code(regression_line(row)));
  std::string out = "# assay compare\n\n" + counts_line(report);
  out += markdown_list("## Regressions", regressions);
  out += "\n## Cases\n\n" + markdown_table(compare_table(report));
  out += markdown_list("## Only in A", as_code(report.only_before));
  return out + markdown_list("## Only in B", as_code(report.only_after));
}

}  // namespace assay
