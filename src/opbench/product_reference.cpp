// What products must give: matmul, linear, convolutions as products of windows, attention.
#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "opbench/row_judgement.h"

namespace assay {
namespace {

constexpr double kU = kUnitRoundoff, kC = 2;
constexpr int64_t kRows = 16;       // of a group
constexpr double kMostWhole = 3e8;  // multiplications, up to which every element is computed

const float* floats(const void* p) { return static_cast<const float*>(p); }

/// y[i, :] = a[i, :] b + bias, where a's rows may be windows of an image. Every output is covered: by itself where that
/// is cheap, else by the sum of its row with drawn signs, and one drawn element of each row.
class ProductReference : public RowReference {
 public:
  ProductReference(const OperationRow& row, const std::vector<const void*>& inputs, uint64_t secret)
      : a_(floats(inputs[0])), b_(floats(inputs[1])), bias_(inputs.size() > 2 ? floats(inputs[2]) : nullptr) {
    n_ = row.output.dims.back();
    rows_ = row.output.elements() / n_;
    const Dims &x = row.inputs[0].dims, &w = row.inputs[1].dims;
    if (row.operation == Operation::conv1d || row.operation == Operation::conv2d) {
      is_window_ = true;
      const bool flat = x.size() == 3;
      channels_ = x.back();
      window_ = {flat ? 1 : w[1], flat ? w[1] : w[2]};
      image_ = {flat ? 1 : x[1], flat ? x[1] : x[2]};
      k_ = window_[0] * window_[1] * channels_;
    } else {
      k_ = x.back();
      if (w.size() > 2) batches_ = row.inputs[1].elements() / (k_ * n_);
    }
    whole_ = double(rows_) * double(n_) * double(k_) <= kMostWhole;
    secret_ = secret;
    if (!whole_) project();
  }
  int64_t groups() const override { return (rows_ + kRows - 1) / kRows; }
  void check(const void* output, int64_t group, OutputErrors& errors) const override {
    std::vector<float> a(is_window_ ? size_t(k_) : 0);
    for (int64_t i = group * kRows; i < std::min(rows_, (group + 1) * kRows); ++i) {
      const float* row = row_of(i, a);
      const float* y = floats(output) + i * n_;
      if (!whole_) {
        check_sum(row, y, i, errors);
        check_element(row, y, i, int64_t(random_bits(secret_ + uint64_t(i)) % uint64_t(n_)), errors);
        continue;
      }
      for (int64_t j = 0; j < n_; ++j) check_element(row, y, i, j, errors);
    }
  }

 private:
  int64_t batch_of(int64_t row) const { return row / (rows_ / batches_); }
  float b(int64_t batch, int64_t k, int64_t j) const {
    return is_window_ ? b_[j * k_ + k] : b_[(batch * k_ + k) * n_ + j];
  }

  const float* row_of(int64_t i, std::vector<float>& space) const {
    if (!is_window_) return a_ + i * k_;
    const int64_t height = image_[0] - window_[0] + 1, width = image_[1] - window_[1] + 1;
    const int64_t picture = i / (height * width), at_h = i / width % height, at_w = i % width;
    for (int64_t h = 0; h < window_[0]; ++h)
      std::copy_n(a_ + ((picture * image_[0] + at_h + h) * image_[1] + at_w) * channels_, window_[1] * channels_,
                  space.begin() + h * window_[1] * channels_);
    return space.data();
  }

  void project() {
    projected_.assign(size_t(batches_ * k_), 0);
    sizes_.assign(size_t(batches_ * k_), 0);
    for (int64_t j = 0; j < n_; ++j) signs_.push_back(random_bits(~secret_ ^ uint64_t(j)) & 1 ? 1 : -1);
    for (int64_t at = 0; at < batches_ * k_; ++at) {
      double sum = 0, squares = 0;
      for (int64_t j = 0; j < n_; ++j) {
        const double value = b(at / k_, at % k_, j);
        sum += signs_[size_t(j)] * value;
        squares += value * value;
      }
      projected_[size_t(at)] = sum;
      sizes_[size_t(at)] = std::sqrt(squares);
    }
    for (int64_t j = 0; bias_ && j < n_; ++j) bias_sum_ += signs_[size_t(j)] * bias_[j];
  }
  void check_sum(const float* row, const float* y, int64_t i, OutputErrors& errors) const {
    const double *projected = projected_.data() + batch_of(i) * k_, *sizes = sizes_.data() + batch_of(i) * k_;
    double right = bias_sum_, size = 0, sum = 0, squares = 0;
    for (int64_t k = 0; k < k_; ++k) right += row[k] * projected[k], size += std::abs(row[k]) * sizes[k];
    for (int64_t j = 0; j < n_; ++j) sum += signs_[size_t(j)] * y[j], squares += double(y[j]) * y[j];
    errors.see(i * n_, sum, right, kC * std::sqrt(double(k_)) * kU * size + 4 * kU * std::sqrt(squares));
  }
  void check_element(const float* row, const float* y, int64_t i, int64_t j, OutputErrors& errors) const {
    double right = bias_ ? bias_[j] : 0, size = std::abs(right);
    for (int64_t k = 0; k < k_; ++k) {
      const double product = double(row[k]) * b(batch_of(i), k, j);
      right += product;
      size += std::abs(product);
    }
    errors.see(i * n_ + j, y[j], right, kC * std::sqrt(double(k_)) * kU * size + kU * std::abs(right));
  }

  const float *a_, *b_, *bias_;
  int64_t rows_ = 0, n_ = 0, k_ = 0, batches_ = 1, channels_ = 0;
  bool is_window_ = false, whole_ = true;
  Dims window_, image_;
  uint64_t secret_ = 0;
  std::vector<double> signs_, projected_, sizes_;  // of b's rows: with the drawn signs, and their lengths
  double bias_sum_ = 0;
};

/// A group is a query.
class AttentionReference : public RowReference {
 public:
  AttentionReference(const OperationRow& row, const std::vector<const void*>& inputs)
      : inputs_(inputs), length_(row.shape()[2]), width_(row.shape()[3]), queries_(row.output.elements() / width_) {}
  int64_t groups() const override { return queries_; }
  void check(const void* output, int64_t query, OutputErrors& errors) const override {
    const int64_t head = query / length_ * length_ * width_;
    const float *q = floats(inputs_[0]) + query * width_, *keys = floats(inputs_[1]) + head,
                *values = floats(inputs_[2]) + head;
    std::vector<double> p(static_cast<size_t>(length_)), right(size_t(width_), 0), size(size_t(width_), 0);
    double largest = -HUGE_VAL, sum = 0;
    for (int64_t i = 0; i < length_; ++i) {
      double score = 0;
      for (int64_t d = 0; d < width_; ++d) score += double(q[d]) * keys[i * width_ + d];
      p[size_t(i)] = score / std::sqrt(double(width_));
      largest = std::max(largest, p[size_t(i)]);
    }
    for (double& each : p) sum += each = std::exp(each - largest);
    for (int64_t i = 0; i < length_; ++i)
      for (int64_t d = 0; d < width_; ++d) {
        const double part = p[size_t(i)] / sum * values[i * width_ + d];
        right[size_t(d)] += part;
        size[size_t(d)] += std::abs(part);
      }
    const double share = (64 + 4 * std::sqrt(double(length_))) * kU;
    for (int64_t d = 0; d < width_; ++d)
      errors.see(query * width_ + d, floats(output)[query * width_ + d], right[size_t(d)], share * size[size_t(d)]);
  }

 private:
  std::vector<const void*> inputs_;
  int64_t length_, width_, queries_;
};

}  // namespace

std::unique_ptr<RowReference> make_product_reference(const OperationRow& row, const std::vector<const void*>& inputs,
                                                     uint64_t secret) {
  if (row.operation == Operation::attention) return std::make_unique<AttentionReference>(row, inputs);
  return std::make_unique<ProductReference>(row, inputs, secret);
}

}  // namespace assay
