// From the sizes in a row's name to its operands, bytes and flops.
#pragma once
#include "opbench/operations.h"

namespace assay {

/// The name taken apart.
struct RowWords {
  std::string group;
  std::vector<Dims> dims;
  std::optional<int64_t> axis;
};

/// Fills in all but the names. Error with what is wrong in the sizes.
void build_row(OperationRow& row, const RowWords& words);

}  // namespace assay
