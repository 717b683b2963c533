// One value of a block, exactly: the second opinion on decoding, which shares no code with the first (block_decoder.h).
#pragma once
#include <cstddef>
#include <cstdint>

#include "spec/dtype.h"

namespace assay {

/// Value i of the block: what its bytes mean, without any rounding. ASSAY_CHECK that the type has blocks.
double block_value(Dtype dtype, const std::byte* block, int64_t i);

/// Where a block keeps the halves that its values hang on, and the steps of its groups' scales; -1: it has none.
struct BlockScales {
  int64_t scale, least = -1;
  int64_t groups = -1, group_bytes = 0;
};
BlockScales block_scales(Dtype dtype);

}  // namespace assay
