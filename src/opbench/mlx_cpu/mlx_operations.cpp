// Each operation in MLX's words: the function it has, or what its own layers (mlx.nn) are made of.
#include "mlx_operations.h"

#include <cmath>

namespace assay {
namespace {

/// Updates as MLX's scatters want them: a slice of one row for each index.
mx::array as_slices(const mx::array& values) { return mx::expand_dims(values, 1); }

/// Logarithms below -100 are -100.
mx::array cut_log(const mx::array& p) { return mx::maximum(mx::log(p), mx::array(-100.0f)); }

mx::array cross_entropy(const mx::array& p, const mx::array& t) {
  const mx::array one(1.0f);
  const mx::array terms = mx::add(mx::multiply(t, cut_log(p)),
                                  mx::multiply(mx::subtract(one, t), cut_log(mx::subtract(one, p))));
  return mx::negative(mx::mean(terms));
}

mx::array selu(const mx::array& x) {
  const mx::array scale(1.0507009873554804934193349852946f), alpha(1.6732632423543772848170429916717f);
  const mx::array below = mx::multiply(alpha, mx::subtract(mx::exp(x), mx::array(1.0f)));
  return mx::multiply(scale, mx::where(mx::greater(x, mx::array(0.0f)), x, below));
}

}  // namespace

MlxOperation mlx_operation(const OperationRow& row) {
  const int axis = int(row.axis);
  switch (row.operation) {
    case Operation::argmax:  // its own index has 32 bits
      return [axis](const MlxArrays& in) { return mx::astype(mx::argmax(in[0], axis), mx::int64); };
    case Operation::bce:
      return [](const MlxArrays& in) { return cross_entropy(in[0], in[1]); };
    case Operation::concat:
      return [axis](const MlxArrays& in) { return mx::concatenate({in[0], in[1]}, axis); };
    case Operation::conv1d:
      return [](const MlxArrays& in) { return mx::conv1d(in[0], in[1]); };
    case Operation::conv2d:
      return [](const MlxArrays& in) { return mx::conv2d(in[0], in[1]); };
    case Operation::gather:
      return [](const MlxArrays& in) { return mx::take(in[0], in[1], 0); };
    case Operation::leaky_relu:
      return [](const MlxArrays& in) { return mx::maximum(mx::multiply(mx::array(0.01f), in[0]), in[0]); };
    case Operation::linear:
      return [](const MlxArrays& in) { return mx::addmm(in[2], in[0], in[1]); };
    case Operation::matmul:
      return [](const MlxArrays& in) { return mx::matmul(in[0], in[1]); };
    case Operation::prelu:
      return [](const MlxArrays& in) {
        const mx::array zero(0.0f);
        return mx::add(mx::maximum(zero, in[0]), mx::multiply(in[1], mx::minimum(zero, in[0])));
      };
    case Operation::relu:
      return [](const MlxArrays& in) { return mx::maximum(in[0], mx::array(0.0f)); };
    case Operation::scatter:
      return [](const MlxArrays& in) { return mx::scatter(in[0], in[1], as_slices(in[2]), 0); };
    case Operation::scatter_sum:
      return [](const MlxArrays& in) { return mx::scatter_add(in[0], in[1], as_slices(in[2]), 0); };
    case Operation::scatter_max:
      return [](const MlxArrays& in) { return mx::scatter_max(in[0], in[1], as_slices(in[2]), 0); };
    case Operation::selu:
      return [](const MlxArrays& in) { return selu(in[0]); };
    case Operation::sigmoid:
      return [](const MlxArrays& in) { return mx::sigmoid(in[0]); };
    case Operation::softmax:
      return [](const MlxArrays& in) { return mx::softmax(in[0], -1); };
    case Operation::softplus:
      return [](const MlxArrays& in) { return mx::logaddexp(in[0], mx::array(0.0f)); };
    case Operation::sort:
      return [axis](const MlxArrays& in) { return mx::sort(in[0], axis); };
    case Operation::sum:
      return [axis](const MlxArrays& in) { return mx::sum(in[0], axis); };
    case Operation::sum_all:
      return [](const MlxArrays& in) { return mx::sum(in[0]); };
    case Operation::layer_norm:
      return [](const MlxArrays& in) { return mx::fast::layer_norm(in[0], in[1], in[2], 1e-5f); };
    case Operation::attention:
      return [scale = float(1 / std::sqrt(double(row.shape()[3])))](const MlxArrays& in) {
        return mx::fast::scaled_dot_product_attention(in[0], in[1], in[2], scale);
      };
  }
  return {};
}

}  // namespace assay
