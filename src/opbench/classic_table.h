// The seed's two tables of operations, character for character.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "audit/operation_table.h"

namespace assay {

/// The pairs that it compares, by the columns that are there: "a/b speedup" is how much less time a takes than b.
std::vector<std::pair<std::string, std::string>> speedup_pairs(const std::vector<std::string>& columns);

/// "+11%", "0%", "nan%": (b / a - 1) in percent, cut off; a plus where it is above zero before that.
std::string speedup_text(double a, double b);

/// "Detailed benchmark:" and " Average benchmark:" with all that stands between and above; NaN times are "nan".
std::string classic_operations(const OperationTable& table);

}  // namespace assay
