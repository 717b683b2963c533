// Queries times keys for attention's right answers, and what f32 may make of them.
#pragma once
#include <cmath>
#include <cstdint>

#include "ops/attention.h"

namespace assay {

inline constexpr double kTinyWeight = 0x1p-119;      // near the end of its range an exponential may be 0, or not
inline constexpr double kProbabilityDeviations = 6;  // of rounded probabilities, in classes that are not exact

/// A query times a key: the sum, that of magnitudes, that of squares.
struct AttentionScore {
  double sum = 0, magnitude = 0, square = 0;
};

/// A query times each of `count` keys.
void multiply_keys(const double* query, const float* keys, int64_t size, int64_t count, AttentionScore* to);

/// What a score may be off by, relative to its sum of magnitudes; and a weight, by adding up so many.
inline double attention_product_error(const Attention& spec) {
  return (std::sqrt(double(spec.size)) / 2 + 4) * 0x1p-24 * std::fabs(spec.scale);
}
inline double attention_sum_error(int64_t count) { return (std::sqrt(double(count)) / 2 + 8) * 0x1p-24; }

}  // namespace assay
