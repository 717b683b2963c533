// A printed table of operations judged by its own numbers: which times cannot be, which rows compare different work,
// what the averages hide.
#pragma once
#include <string>
#include <vector>

#include "audit/operation_table.h"

namespace assay {

enum class TableFault {
  impossible,      // less time than its bytes need at the best rate of the same column
  does_not_scale,  // a hundred times the work in the same time
  same_over_axes,  // equal over all axes where neither memory nor the work explains it
  out_of_step,     // a fiftieth of the rate of others: something else than the operation was timed (swapping)
  absent,          // no time, yet the others are compared and averaged
  average_hides    // one row makes the mean, or the mean says the opposite of the rows
};
std::string table_fault_name(TableFault fault);

struct TableFinding {
  TableFault fault;
  std::string what;    // a row, or an operation
  std::string column;  // a framework, or "a/b"
  std::string evidence;
};

struct BestRate {
  std::string column, row;
  double gbps = 0;
};

struct TableAudit {
  std::string file;
  size_t rows = 0, unknown_rows = 0;  // those whose name says no operation that is known
  std::vector<std::string> columns, unread;
  std::vector<BestRate> rates;  // a column each
  std::vector<TableFinding> findings;

  size_t count(TableFault fault) const;
  /// Some times are not of the work that their row names.
  bool misleads() const { return count(TableFault::impossible) + count(TableFault::does_not_scale) > 0; }
};

TableAudit audit_operations(const OperationTable& table, const std::string& file);

}  // namespace assay
