// Weights of ops that are no products, some of which are made what arenas never hold.
#pragma once
#include <cstddef>
#include <cstdint>

#include "spec/dtype.h"

namespace assay {

/// Makes about an eighth of a dense row of `count` values zero, or as small as f16's subnormals, or (may_be_large) 16
/// to 32; of a row of blocks an eighth of the blocks: zero and subnormal scales, all signs turned, of Q8_0 integers of
/// -128 too. Each decoded value is a float exactly, as before. `drawn`: which ones.
void make_some_special(Dtype dtype, std::byte* row, int64_t count, uint64_t drawn, bool may_be_large);

}  // namespace assay
