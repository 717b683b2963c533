// Special values multiplied.
#include "proof/special_rows.h"

#include <algorithm>
#include <cmath>

#include "proof/special_blocks.h"
#include "spec/accuracy.h"

namespace assay {
namespace {

constexpr int64_t kDistinct = 128;  // rows of B; they repeat
constexpr double kLeastNormal = 0x1p-126;
constexpr double kHalfSubnormal = 0x1p-25;  // half of f16's least number

bool may_be_flushed(double x) { return x != 0 && std::fabs(x) < kLeastNormal; }

SpecialProduct multiply(const std::vector<double>& a, const std::vector<double>& b) {
  SpecialProduct result;
  double variance = 0;
  for (size_t first = 0; first < a.size(); first += kSpecialBlock) {
    double largest = 0, squares = 0, sum = 0;
    for (size_t i = first; i < std::min(a.size(), first + kSpecialBlock); ++i) {
      const double term = a[i] * b[i];
      sum += term;
      result.magnitude += std::fabs(term);
      result.squares += term * term;
      if (may_be_flushed(a[i]) || may_be_flushed(b[i]) || may_be_flushed(term)) result.flushed += std::fabs(term);
      largest = std::max(largest, std::fabs(a[i]));
      squares += b[i] * b[i];
    }
    result.product += sum;
    result.weights += squares;
    const size_t count = std::min(a.size(), first + kSpecialBlock) - first;
    if (is_int8_exact(std::span(a).subspan(first, count))) continue;
    const double scale = largest / 127;
    variance += scale * scale / 12 * squares;
    if (scale > 0) result.of_scales += std::fabs(sum) * std::min(1.0, 0x1p-11 + kHalfSubnormal / scale);
  }
  result.deviation = std::sqrt(variance);
  return result;
}

}  // namespace

SpecialRows::SpecialRows(const Matmul& spec) {
  const SpecialShape shape{spec.k};
  activations_ = make_activations(spec, shape);
  const int64_t distinct = std::min(kDistinct, spec.batch * spec.n);
  for (int64_t i = 0; i < distinct; ++i) weights_.push_back(make_weights(spec, shape, activations_, i));
  for (const ActivationRow& a : activations_)
    for (const WeightRow& b : weights_) products_.push_back(multiply(a.values, b.values));
}

}  // namespace assay
