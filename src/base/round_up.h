// Whole numbers rounded up to multiples.
#pragma once
#include <cstdint>

namespace assay {

/// The least multiple of `unit` from `value` on; value >= 0, unit > 0.
constexpr int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace assay
