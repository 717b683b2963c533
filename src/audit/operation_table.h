// A table of operations, as seed 004 printed it: times of rows by framework, in milliseconds.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct OperationTimes {
  uint64_t line = 0;
  std::string name;        // "Softmax / dim=64x1000000 axi=-1"
  std::vector<double> ms;  // a column a framework; NaN: none
};

struct OperationTable {
  std::vector<std::string> columns;  // frameworks, without the speed-ups
  std::vector<OperationTimes> rows;  // of the detailed table
  std::vector<OperationTimes> averages;
  std::vector<std::string> unread;  // lines of a table that no rule reads, with their number
};

/// Whether a text is such a table: it has the line "Detailed benchmark:" before any spec of a probe.
bool is_operation_table(std::string_view text);

/// Error where it holds no row.
OperationTable read_operation_table(std::string_view text, const std::string& file);

}  // namespace assay
