// CaseRecord to a row of the cases table and back.
#pragma once
#include <string>

#include "store/database.h"
#include "store/record.h"

namespace assay {

/// What stands in CREATE TABLE cases(…): id, median_us (of every device sample, for queries by hand: which samples rank
/// is the ranking's to say; NULL without any), then CaseRecord's fields.
std::string case_column_definitions();
/// Gives a table of an older schema the columns that it lacks; its rows get 0, NULL or nothing there.
void add_missing_case_columns(Database& database);
/// CaseRecord's columns, comma-separated: what read_case() reads from column 0 on.
std::string case_column_names();
std::string insert_case_sql();

/// Runs a statement of insert_case_sql().
void insert_case(Statement& statement, const CaseRecord& record);
/// The current row of a SELECT of case_column_names(); `file` is for messages.
CaseRecord read_case(const Statement& statement, const std::string& file);

}  // namespace assay
