// Orders in which a kernel may add up its products, all of them right.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace assay {

inline float in_order(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline float backwards_fused(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (size_t i = a.size(); i-- > 0;) sum = std::fma(a[i], b[i], sum);
  return sum;
}

template <size_t kLanes>
float in_lanes(const std::vector<float>& a, const std::vector<float>& b) {
  float sums[kLanes] = {}, sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sums[i % kLanes] = std::fma(a[i], b[i], sums[i % kLanes]);
  for (const float lane : sums) sum += lane;
  return sum;
}

inline float pairwise(const float* a, const float* b, size_t count) {
  if (count == 1) return a[0] * b[0];
  return pairwise(a, b, count / 2) + pairwise(a + count / 2, b + count / 2, count - count / 2);
}

/// Partial sums grow as large as they can.
inline float positives_first(const std::vector<float>& a, const std::vector<float>& b) {
  float positive = 0, negative = 0;
  for (size_t i = 0; i < a.size(); ++i) (a[i] * b[i] > 0 ? positive : negative) += a[i] * b[i];
  return positive + negative;
}

struct Shuffled {
  std::mt19937_64& random;
  float operator()(const std::vector<float>& a, const std::vector<float>& b) const {
    std::vector<size_t> order(a.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::shuffle(order.begin(), order.end(), random);
    float sum = 0;
    for (const size_t i : order) sum += a[i] * b[i];
    return sum;
  }
};

}  // namespace assay
