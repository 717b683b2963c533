// What functions of elements and of lines along an axis must give.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "opbench/row_axis.h"
#include "opbench/row_judgement.h"

namespace assay {
namespace {

constexpr double kU = kUnitRoundoff;
constexpr double kTiny = 1e-37;  // below it floats lose digits
constexpr int64_t kBlock = 4096, kInner = 256;

const float* floats(const void* p) { return static_cast<const float*>(p); }

struct ValueAndBound {
  double value, bound;
};

ValueAndBound of_element(Operation operation, double x, double w) {
  const auto near = [](double y) { return ValueAndBound{y, 8 * kU * std::abs(y) + kTiny}; };
  switch (operation) {
    case Operation::relu:
      return {x > 0 ? x : 0, 0};
    case Operation::leaky_relu:
      return near(x > 0 ? x : x * 0.01);
    case Operation::prelu:
      return near(x > 0 ? x : x * w);
    case Operation::sigmoid: {
      const double y = 1 / (1 + std::exp(-x));
      return {y, (8 + std::abs(x)) * kU * y};  // an exponential of x log2(e), rounded: MLX was 10 u off at -12
    }
    case Operation::softplus: {
      const double y = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
      return {y, 32 * kU * std::max(std::abs(y), 1.0)};  // oneDNN was seen to be 17 u off
    }
    case Operation::selu: {
      constexpr double kScale = 1.0507009873554804934193349852946, kAlpha = 1.6732632423543772848170429916717;
      const double y = kScale * (x > 0 ? x : kAlpha * std::expm1(x));
      return {y, 8 * kU * (x > 0 ? std::abs(y) : kScale * kAlpha)};
    }
    default:
      break;
  }
  check_failed("an operation that is no function of elements", __FILE__, __LINE__);
}

class ElementReference : public RowReference {
 public:
  ElementReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : operation_(row.operation),
        count_(row.output.elements()),
        x_(floats(inputs[0])),
        w_(inputs.size() > 1 ? double(*floats(inputs[1])) : 0) {}
  int64_t groups() const override { return (count_ + kBlock - 1) / kBlock; }
  void check(const void* output, int64_t group, OutputErrors& errors) const override {
    for (int64_t i = group * kBlock; i < std::min(count_, (group + 1) * kBlock); ++i) {
      const ValueAndBound y = of_element(operation_, x_[i], w_);
      errors.see(i, floats(output)[i], y.value, y.bound);
    }
  }

 private:
  Operation operation_;
  int64_t count_;
  const float* x_;
  double w_;
};

/// Sum and Argmax: a group is a stretch of neighbouring lines.
class ReductionReference : public RowReference {
 public:
  ReductionReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : is_sum_(row.operation == Operation::sum), axis_(axis_shape(row.shape(), row.axis)), x_(floats(inputs[0])) {}
  int64_t groups() const override { return axis_.outer * stretches(); }
  void check(const void* output, int64_t group, OutputErrors& errors) const override {
    const int64_t o = group / stretches(), begin = group % stretches() * kInner;
    const int64_t width = std::min(kInner, axis_.inner - begin);
    double best[kInner], size[kInner] = {};
    std::fill(best, best + width, is_sum_ ? 0.0 : -HUGE_VAL);
    for (int64_t j = 0; j < axis_.count; ++j) {
      const float* x = x_ + (o * axis_.count + j) * axis_.inner + begin;
      for (int64_t i = 0; i < width; ++i) {
        best[i] = is_sum_ ? best[i] + x[i] : std::max(best[i], double(x[i]));
        size[i] += std::abs(x[i]);
      }
    }
    for (int64_t i = 0; i < width; ++i) {
      const int64_t at = o * axis_.inner + begin + i;
      if (is_sum_) {
        errors.see(at, floats(output)[at], best[i], 4 * std::sqrt(double(axis_.count)) * kU * size[i]);
        continue;
      }
      const int64_t index = static_cast<const int64_t*>(output)[at];
      const bool inside = index >= 0 && index < axis_.count;
      const double found = inside ? x_[(o * axis_.count + index) * axis_.inner + begin + i] : double(index);
      errors.see(at, inside ? found : HUGE_VAL, best[i], 0);
    }
  }

 private:
  int64_t stretches() const { return (axis_.inner + kInner - 1) / kInner; }
  bool is_sum_;
  AxisShape axis_;
  const float* x_;
};

/// One number of all elements.
class ScalarReference : public RowReference {
 public:
  ScalarReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : is_bce_(row.operation == Operation::bce), count_(row.inputs[0].elements()), inputs_(inputs) {}
  int64_t groups() const override { return 1; }
  void check(const void* output, int64_t, OutputErrors& errors) const override {
    constexpr int64_t kPieces = 64;
    double sums[kPieces] = {}, sizes[kPieces] = {};
    in_parallel(kPieces, [&](int64_t piece) {
      double sum = 0, size = 0;
      for (int64_t i = count_ * piece / kPieces; i < count_ * (piece + 1) / kPieces; ++i) {
        const double term = term_of(i);
        sum += term;
        size += std::abs(term);
      }
      sums[piece] = sum, sizes[piece] = size;
    });
    double sum = 0, size = 0;
    for (int64_t piece = 0; piece < kPieces; ++piece) sum += sums[piece], size += sizes[piece];
    const double scale = is_bce_ ? 1 / double(count_) : 1, c = is_bce_ ? 4 : 1;
    errors.see(0, *floats(output), sum * scale, c * std::sqrt(double(count_)) * kU * size * scale);
  }

 private:
  double term_of(int64_t i) const {
    if (!is_bce_) return floats(inputs_[0])[i];
    const double p = floats(inputs_[0])[i], t = floats(inputs_[1])[i];
    return -(t * std::max(std::log(p), -100.0) + (1 - t) * std::max(std::log1p(-p), -100.0));
  }
  bool is_bce_;
  int64_t count_;
  std::vector<const void*> inputs_;
};

/// Softmax and LayerNorm: a group is a line along the last axis.
class LineReference : public RowReference {
 public:
  LineReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : is_softmax_(row.operation == Operation::softmax), axis_(axis_shape(row.shape(), row.axis)), inputs_(inputs) {}
  int64_t groups() const override { return axis_.outer; }
  void check(const void* output, int64_t line, OutputErrors& errors) const override {
    const float* x = floats(inputs_[0]) + line * axis_.count;
    const float* y = floats(output) + line * axis_.count;
    is_softmax_ ? softmax(x, y, line * axis_.count, errors) : norm(x, y, line * axis_.count, errors);
  }

 private:
  double share() const { return (24 + 4 * std::sqrt(double(axis_.count))) * kU; }
  void softmax(const float* x, const float* y, int64_t first, OutputErrors& errors) const {
    const double largest = *std::max_element(x, x + axis_.count);
    double sum = 0;
    for (int64_t i = 0; i < axis_.count; ++i) sum += std::exp(x[i] - largest);
    for (int64_t i = 0; i < axis_.count; ++i) {
      const double right = std::exp(x[i] - largest) / sum;
      errors.see(first + i, y[i], right, (share() + 2 * kU * (largest - x[i])) * right + kTiny);
    }
  }
  void norm(const float* x, const float* y, int64_t first, OutputErrors& errors) const {
    const double n = double(axis_.count);
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < axis_.count; ++i) mean += x[i] / n;
    for (int64_t i = 0; i < axis_.count; ++i) variance += (x[i] - mean) * (x[i] - mean) / n;
    const double scale = 1 / std::sqrt(variance + 1e-5);
    for (int64_t i = 0; i < axis_.count; ++i) {
      const double w = floats(inputs_[1])[i], b = floats(inputs_[2])[i], scaled = (x[i] - mean) * scale * w;
      const double size = std::abs(scaled) + std::abs(w * mean * scale) + std::abs(w) + std::abs(b);
      errors.see(first + i, y[i], scaled + b, share() * size);
    }
  }
  bool is_softmax_;
  AxisShape axis_;
  std::vector<const void*> inputs_;
};

}  // namespace

std::unique_ptr<RowReference> make_value_reference(const OperationRow& row, const std::vector<const void*>& inputs) {
  switch (row.operation) {
    case Operation::sum:
    case Operation::argmax:
      return std::make_unique<ReductionReference>(row, inputs);
    case Operation::sum_all:
    case Operation::bce:
      return std::make_unique<ScalarReference>(row, inputs);
    case Operation::softmax:
    case Operation::layer_norm:
      return std::make_unique<LineReference>(row, inputs);
    default:
      return std::make_unique<ElementReference>(row, inputs);
  }
}

}  // namespace assay
