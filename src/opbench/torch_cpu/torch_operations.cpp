// Each operation in torch's words: the fastest form of it that torch 1.13 offers, into given memory where there is one.
#include "torch_operations.h"

#include <torch/version.h>

#include <cmath>

namespace assay {
namespace {

/// [N] as [N, C] without memory of its own: what scatter wants for whole rows.
at::Tensor as_rows(const at::Tensor& index, const at::Tensor& like) { return index.unsqueeze(1).expand_as(like); }

TorchOperation attention([[maybe_unused]] double scale) {
#if TORCH_VERSION_MAJOR >= 2
  return {{}, [](const Tensors& in) { return at::scaled_dot_product_attention(in[0], in[1], in[2]); }};
#else
  return {[scale](const Tensors& in, at::Tensor& y) {
            const auto flat = [](const at::Tensor& t) { return t.flatten(0, 1); };
            at::Tensor scores = at::bmm(flat(in[0]), flat(in[1]).transpose(1, 2)).mul_(scale);
            at::Tensor into = flat(y);
            at::bmm_out(into, at::softmax(scores, -1), flat(in[2]));
          },
          {},
          false,
          "bmm, softmax, bmm"};
#endif
}

}  // namespace

TorchOperation torch_operation(const OperationRow& row) {
  const int64_t axis = int64_t(row.axis);
  switch (row.operation) {
    case Operation::argmax:
      return {[axis](const Tensors& in, at::Tensor& y) { at::argmax_out(y, in[0], axis); }};
    case Operation::bce:  // its form with an output wants that to be as large as the inputs
      return {{}, [](const Tensors& in) { return at::binary_cross_entropy(in[0], in[1]); }};
    case Operation::concat:
      return {[axis](const Tensors& in, at::Tensor& y) { at::cat_out(y, {in[0], in[1]}, axis); }};
    case Operation::conv1d:
      return {{}, [](const Tensors& in) { return at::conv1d(in[0], in[1]); }, true, ""};
    case Operation::conv2d:
      return {{}, [](const Tensors& in) { return at::conv2d(in[0], in[1]); }, true, ""};
    case Operation::gather:
      return {[](const Tensors& in, at::Tensor& y) { at::index_select_out(y, in[0], 0, in[1]); }};
    case Operation::leaky_relu:
      return {[](const Tensors& in, at::Tensor& y) { at::leaky_relu_out(y, in[0], 0.01); }};
    case Operation::linear:
      return {[](const Tensors& in, at::Tensor& y) {
        at::Tensor rows = y.flatten(0, -2);
        at::addmm_out(rows, in[2], in[0].flatten(0, -2), in[1]);
      }};
    case Operation::matmul:
      if (row.inputs[1].dims.size() == 2)
        return {[](const Tensors& in, at::Tensor& y) {
          at::Tensor rows = y.flatten(0, -2);
          at::mm_out(rows, in[0].flatten(0, -2), in[1]);
        }};
      return {[](const Tensors& in, at::Tensor& y) { at::matmul_out(y, in[0], in[1]); }};
    case Operation::prelu:
      return {{}, [](const Tensors& in) { return at::prelu(in[0], in[1]); }};
    case Operation::relu:
      return {[](const Tensors& in, at::Tensor& y) { at::clamp_min_out(y, in[0], 0); }, {}, false, "clamp_min"};
    case Operation::scatter:
      return {[](const Tensors& in, at::Tensor& y) { at::scatter_out(y, in[0], 0, as_rows(in[1], in[2]), in[2]); }};
    case Operation::scatter_sum:
      return {[](const Tensors& in, at::Tensor& y) { at::scatter_add_out(y, in[0], 0, as_rows(in[1], in[2]), in[2]); }};
    case Operation::scatter_max:
      return {[](const Tensors& in, at::Tensor& y) {
        at::scatter_reduce_out(y, in[0], 0, as_rows(in[1], in[2]), in[2], "amax", true);
      }};
    case Operation::selu: {
      constexpr double kScale = 1.0507009873554804934193349852946, kAlpha = 1.6732632423543772848170429916717;
      return {[=](const Tensors& in, at::Tensor& y) { at::elu_out(y, in[0], kAlpha, kScale, 1); }};
    }
    case Operation::sigmoid:
      return {[](const Tensors& in, at::Tensor& y) { at::sigmoid_out(y, in[0]); }};
    case Operation::softmax:
      return {[](const Tensors& in, at::Tensor& y) { at::_softmax_out(y, in[0], in[0].dim() - 1, false); }};
    case Operation::softplus:
      return {[](const Tensors& in, at::Tensor& y) { at::softplus_out(y, in[0]); }};
    case Operation::sort:
      return {[axis, indices = at::Tensor()](const Tensors& in, at::Tensor& y) mutable {
                if (!indices.defined()) indices = at::empty(in[0].sizes(), in[0].options().dtype(at::kLong));
                at::sort_out(y, indices, in[0], axis);
              },
              {},
              false,
              "its indices as well: it has no sort without"};
    case Operation::sum:
      return {[axis](const Tensors& in, at::Tensor& y) { at::sum_out(y, in[0], at::IntArrayRef(axis)); }};
    case Operation::sum_all:
      return {[](const Tensors& in, at::Tensor& y) { at::sum_out(y, in[0].flatten(), at::IntArrayRef(int64_t(0))); }};
    case Operation::layer_norm: {
      const int64_t width = row.shape().back();
      return {{}, [width](const Tensors& in) { return at::layer_norm(in[0], {width}, in[1], in[2], 1e-5); }};
    }
    case Operation::attention:
      return attention(1 / std::sqrt(double(row.shape()[3])));
  }
  return {};
}

}  // namespace assay
