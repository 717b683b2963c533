// What lies where a launch has no business: NaN, infinities, the largest numbers.
#pragma once
#include "ops/unread.h"

namespace assay {

/// Into those rows of each batch of a dense weight that begins at `data`. NaN or infinities in the first and the last
/// of them; which kind a row gets is drawn from `drawn`.
void poison_rows(const Tensor& t, std::byte* data, const UnreadRows& rows, uint64_t drawn);

}  // namespace assay
