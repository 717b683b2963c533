// A table's rows as JSON.
#pragma once
#include <string>

#include "base/json_reader.h"
#include "report/table.h"

namespace assay {

/// An object a row, by the columns' keys; what is unknown is null, infinities are "inf" and "-inf".
Json to_json(const Table& table);

/// One line; text that is not UTF-8 has U+FFFD in place of the bad bytes.
std::string json_line(const Json& json);

}  // namespace assay
