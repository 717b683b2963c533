// CSV writing.
#include "report/csv.h"

#include <fmt/format.h>

#include <cmath>

#include "report/rows.h"

namespace assay {
namespace {

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string field(const Cell& cell) {
  if (const std::string* text = std::get_if<std::string>(&cell)) return quoted(*text);
  const double* number = std::get_if<double>(&cell);
  if (!number || std::isnan(*number)) return "";
  // Beyond nine digits a time is noise; counts and bytes stay exact.
  return *number == std::trunc(*number) ? fmt::format("{}", *number) : fmt::format("{:.9g}", *number);
}

}  // namespace

std::string csv_table(const Table& table) {
  std::string out;
  for (size_t i = 0; i < table.columns.size(); ++i) out += (i ? "," : "") + quoted(table.columns[i].key);
  return out + "\r\n" + csv_rows(table);
}

std::string csv_rows(const Table& table) {
  std::string out;
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) out += (i ? "," : "") + field(row[i]);
    out += "\r\n";
  }
  return out;
}

std::string csv_report(const SweepReport& report) { return csv_table(case_table(report)); }

}  // namespace assay
