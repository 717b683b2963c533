// The special values themselves: rows of A and of B of each kind, and what they give when multiplied.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "ops/matmul.h"

namespace assay {

/// One row of A.
struct ActivationRow {
  std::vector<std::byte> bytes;  // k elements of A's type
  std::vector<double> values;
  bool for_int8 = true;  // no Inf and no subnormal of f32's exponents, which have no int8 scale
  bool for_half = true;  // f16 holds them
};

/// One row of B.
struct WeightRow {
  std::string_view what;                 // "weights of subnormals"
  bool is_random = false;                // its errors are independent of other rows'
  std::vector<std::byte> bytes, scales;  // k elements of B's type; whole blocks, or values and scales apart
  std::vector<double> values;
};

/// The product of a row of A and one of B.
struct SpecialProduct {
  double product = 0,
         magnitude =
             0;  // Σ ab: ±Inf where every order of adding gives that or NaN, NaN where anything may come; Σ |a||b|
  double flushed = 0;               // what is lost if numbers below 2^-126 are taken for zero
  double squares = 0, weights = 0;  // Σ (ab)², Σ b²
  double deviation = 0;             // standard deviation of rounding a to int8 in blocks of 32 …
  double of_scales = 0;             // … and what is off at most if the blocks' scales are kept as f16
};

class SpecialRows {
 public:
  explicit SpecialRows(const Matmul& spec);

  const std::vector<ActivationRow>& activations() const { return activations_; }
  /// Row r of B, counted over batches and segments, is weights()[r % weights().size()].
  const std::vector<WeightRow>& weights() const { return weights_; }
  const SpecialProduct& product(int64_t activation, int64_t weight) const {
    return products_[size_t(activation) * weights_.size() + size_t(weight)];
  }

 private:
  std::vector<ActivationRow> activations_;
  std::vector<WeightRow> weights_;
  std::vector<SpecialProduct> products_;
};

}  // namespace assay
