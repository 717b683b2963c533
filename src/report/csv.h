// Tables as CSV (RFC 4180): nine digits, every column.
#pragma once
#include <string>

#include "probe/sweep_report.h"
#include "report/table.h"

namespace assay {

/// A line of column keys, then one a row, each ended by CR LF; an unknown value is an empty field.
std::string csv_table(const Table& table);
/// Its rows without the keys.
std::string csv_rows(const Table& table);

/// One row a case.
std::string csv_report(const SweepReport& report);

}  // namespace assay
