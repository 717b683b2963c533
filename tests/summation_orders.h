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

/// As many partial sums as are asked for, each in order, then added up in order.
struct PartialSums {
  size_t count;
  bool fused;
  float operator()(const std::vector<float>& a, const std::vector<float>& b) const {
    std::vector<float> sums(count);
    for (size_t i = 0; i < a.size(); ++i) {
      float& sum = sums[i % count];
      sum = fused ? std::fma(a[i], b[i], sum) : sum + a[i] * b[i];
    }
    return std::accumulate(sums.begin(), sums.end(), 0.0f);
  }
};

/// As tensor cores add: 16 exact products and the running sum at once, the result cut off toward zero.
inline float cut_off_by_16(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (size_t first = 0; first < a.size(); first += 16) {
    double exact = double(sum);
    for (size_t i = first; i < std::min(first + 16, a.size()); ++i) exact += double(a[i]) * double(b[i]);
    const float nearest = float(exact);
    sum = std::fabs(double(nearest)) > std::fabs(exact) ? std::nextafter(nearest, 0.0f) : nearest;
  }
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
