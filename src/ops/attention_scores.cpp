// Queries times keys.
#include "ops/attention_scores.h"

#include "base/clones.h"

namespace assay {
namespace {

constexpr int64_t kLanes = 8;  // sums at once

}  // namespace

ASSAY_CLONES void multiply_keys(const double* q, const float* keys, int64_t size, int64_t count, AttentionScore* to) {
  for (int64_t j = 0; j < count; ++j) {
    const float* const key = keys + j * size;
    double sums[kLanes] = {}, magnitudes[kLanes] = {}, squares[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const double term = q[i + lane] * double(key[i + lane]);
        sums[lane] += term, magnitudes[lane] += std::fabs(term), squares[lane] += term * term;
      }
    for (; i < size; ++i) {
      const double term = q[i] * double(key[i]);
      sums[0] += term, magnitudes[0] += std::fabs(term), squares[0] += term * term;
    }
    AttentionScore score;
    for (int64_t lane = 0; lane < kLanes; ++lane)
      score.sum += sums[lane], score.magnitude += magnitudes[lane], score.square += squares[lane];
    to[j] = score;
  }
}

}  // namespace assay
