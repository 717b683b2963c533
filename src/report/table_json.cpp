// A table's rows as JSON.
#include "report/table_json.h"

#include <cmath>

#include "base/json.h"

namespace assay {
namespace {

Json to_json(const Cell& cell, Column::Format format) {
  if (const std::string* text = std::get_if<std::string>(&cell)) return *text;
  const double* number = std::get_if<double>(&cell);
  if (!number || std::isnan(*number)) return nullptr;
  if (std::isinf(*number)) return *number > 0 ? "inf" : "-inf";
  if (format == Column::Format::whole && *number == std::rint(*number) && std::fabs(*number) < 0x1p53)
    return int64_t(*number);  // 16, not 16.0
  return *number;
}

}  // namespace

Json to_json(const Table& table) {
  Json rows = Json::array();
  for (const std::vector<Cell>& cells : table.rows) {
    Json row = Json::object();
    for (size_t i = 0; i < cells.size(); ++i) row[table.columns[i].key] = to_json(cells[i], table.columns[i].format);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string json_line(const Json& json) { return json.dump() + "\n"; }

}  // namespace assay
