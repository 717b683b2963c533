// Which rows of its weights a launch has no business with.
#pragma once
#include <vector>

#include "spec/op.h"

namespace assay {

/// Rows [first, end) of each batch of a weight, the so manyth of the spec.
struct UnreadRows {
  size_t weight = 0;
  int64_t first = 0, end = 0;
};

/// Rows that a launch with these operands need not read, and so must not use; without operands those that no launch of
/// the spec reads. None where each reads all: the op is not in the list (unread.cpp).
std::vector<UnreadRows> unread_rows(const Spec& spec, const OpValues* in);

}  // namespace assay
