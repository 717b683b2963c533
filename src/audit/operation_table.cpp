// Reading seed 004's tables.
#include "audit/operation_table.h"

#include <cmath>
#include <limits>

#include "audit/log_text.h"
#include "base/error.h"

namespace assay {
namespace {

constexpr std::string_view kDetailed = "Detailed benchmark:", kAverage = "Average benchmark:";
constexpr size_t kMostRows = 100'000, kMostUnread = 100;

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  line.remove_prefix(1);
  if (line.ends_with('|')) line.remove_suffix(1);
  std::string_view cell;
  while (cut(line, "|", cell)) cells.emplace_back(trimmed(cell));
  return cells;
}

bool parse_ms(const std::string& text, double& ms) {
  if (text == "nan") {
    ms = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(ms) && ms >= 0;
}

}  // namespace

bool is_operation_table(std::string_view text) {
  const size_t table = text.find(kDetailed);
  return table != std::string_view::npos && text.substr(0, table).find("Spec op=") == std::string_view::npos;
}

OperationTable read_operation_table(std::string_view text, const std::string& file) {
  OperationTable table;
  std::vector<OperationTimes>* rows = nullptr;
  uint64_t number = 0;
  std::string_view raw;
  const auto unread = [&](const std::string& why) {
    if (table.unread.size() < kMostUnread) table.unread.push_back(fmt::format("line {}: {}", number, why));
  };
  while (cut(text, "\n", raw)) {
    ++number;
    const std::string_view line = trimmed(raw);
    if (line == kDetailed) rows = &table.rows;
    if (line == kAverage) rows = &table.averages;
    if (!rows || !line.starts_with('|') || line.starts_with("|--")) continue;
    const std::vector<std::string> cells = cells_of(line);
    if (cells[0] == "Operation") {
      std::vector<std::string> columns;
      for (size_t i = 1; i < cells.size(); ++i)
        if (!cells[i].ends_with(" speedup")) columns.push_back(cells[i]);
      if (!table.columns.empty() && columns != table.columns) unread("other columns than the table before");
      if (table.columns.empty()) table.columns = columns;
      continue;
    }
    OperationTimes row{number, cells[0], {}};
    for (size_t i = 0; i < table.columns.size() && i + 1 < cells.size(); ++i) {
      double ms = 0;
      if (!parse_ms(cells[i + 1], ms)) break;
      row.ms.push_back(ms);
    }
    if (row.ms.size() != table.columns.size() || row.ms.empty())
      unread(fmt::format("a row without a time for each column: {}", quoted(line)));
    else if (rows->size() < kMostRows)
      rows->push_back(std::move(row));
  }
  if (table.rows.empty()) fail("{}: \"Detailed benchmark:\" stands there, but no row of times below it", file);
  return table;
}

}  // namespace assay
