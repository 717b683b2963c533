// onednn: rows by oneDNN's primitives, each made once; what it has no primitive for is unsupported.
#include "opbench/framework.h"

#include <cmath>
#include <dnnl.hpp>
#include <unordered_map>

namespace assay {
namespace {

using dnnl::memory;
using Args = std::unordered_map<int, memory>;

memory::desc plain(const Dims& dims) {
  memory::dims strides(dims.size());
  memory::dim step = 1;
  for (size_t i = dims.size(); i-- > 0;) strides[i] = step, step *= dims[i];
  return {dims, memory::data_type::f32, strides};
}

/// Matrices with the leading dimensions as one; `leading` false: [rows, columns].
Dims folded(const Dims& dims, bool leading) {
  int64_t count = 1;
  for (size_t i = 0; i + 2 < dims.size(); ++i) count *= dims[i];
  if (leading) return {count, dims[dims.size() - 2], dims.back()};
  return {count * dims[dims.size() - 2], dims.back()};
}

class Primitives final : public PreparedOperation {
 public:
  Primitives(const OperationRow& row, const dnnl::engine& engine) : engine_(engine), stream_(engine) {
    attributes_.set_scratchpad_mode(dnnl::scratchpad_mode::library);
    is_known_ = build(row);
  }
  bool is_known() const { return is_known_; }
  std::string how() const override { return how_; }

  void bind(const void* const* inputs, void* output) override {
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (inputs_[i].get(true)) inputs_[i].set_data_handle(const_cast<void*>(inputs[i]));
    output_.set_data_handle(output);
  }
  void run() override {
    for (size_t i = 0; i < steps_.size(); ++i) steps_[i].first.execute(stream_, steps_[i].second);
    stream_.wait();
  }

 private:
  memory given(const memory::desc& desc) { return memory(desc, engine_, nullptr); }
  memory input(const memory::desc& desc) { return inputs_.emplace_back(given(desc)); }
  memory result(const memory::desc& desc) { return output_ = given(desc); }
  void step(dnnl::primitive primitive, Args args) { steps_.emplace_back(std::move(primitive), std::move(args)); }

  bool build(const OperationRow& row) {
    using dnnl::algorithm;
    switch (row.operation) {
      case Operation::relu:
        return eltwise(row, algorithm::eltwise_relu, 0, 1);
      case Operation::leaky_relu:
        return eltwise(row, algorithm::eltwise_relu, 0.01f, 1);
      case Operation::sigmoid:
        return eltwise(row, algorithm::eltwise_logistic, 0, 1);
      case Operation::softplus:
        return eltwise(row, algorithm::eltwise_soft_relu, 1, 1);
      case Operation::selu:
        return eltwise(row, algorithm::eltwise_elu, 1.67326324235f, 1.05070098735548f);
      case Operation::prelu:
        return prelu(row);
      case Operation::softmax:
        return softmax(row);
      case Operation::layer_norm:
        return layer_norm(row);
      case Operation::sum:
      case Operation::sum_all:
        return reduction(row);
      case Operation::concat:
        return concat(row);
      case Operation::matmul:
      case Operation::linear:
        return matmul(row);
      case Operation::conv1d:
      case Operation::conv2d:
        return convolution(row);
      case Operation::attention:
        return attention(row);
      default:
        return false;
    }
  }

  bool eltwise(const OperationRow& row, dnnl::algorithm kind, float alpha, float scale) {
    const memory::desc desc = plain({row.output.elements()});
    dnnl::primitive_attr attributes = attributes_;
    if (scale != 1) {
      dnnl::post_ops after;
      after.append_eltwise(1, dnnl::algorithm::eltwise_linear, scale, 0);
      attributes.set_post_ops(after);
    }
    const dnnl::eltwise_forward::primitive_desc made({dnnl::prop_kind::forward_inference, kind, desc, alpha, 0},
                                                     attributes, engine_);
    how_ = made.impl_info_str();
    const memory x = input(desc);
    step(dnnl::eltwise_forward(made), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, result(desc)}});
    return true;
  }
  bool prelu(const OperationRow& row) {
    const memory::desc desc = plain(row.shape()), slope = plain(Dims(row.shape().size(), 1));
    const dnnl::prelu_forward::primitive_desc made({dnnl::prop_kind::forward_inference, desc, slope}, attributes_,
                                                   engine_);
    how_ = made.impl_info_str();
    const memory x = input(desc), w = input(slope);
    step(dnnl::prelu_forward(made), {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, result(desc)}});
    return true;
  }
  bool softmax(const OperationRow& row) {
    const memory::desc desc = plain({row.output.elements() / row.shape().back(), row.shape().back()});
    const dnnl::softmax_forward::primitive_desc made({dnnl::prop_kind::forward_inference, desc, 1}, attributes_,
                                                     engine_);
    how_ = made.impl_info_str();
    const memory x = input(desc);
    step(dnnl::softmax_forward(made), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, result(desc)}});
    return true;
  }
  bool layer_norm(const OperationRow& row) {
    const memory::desc desc = plain({row.output.elements() / row.shape().back(), row.shape().back()});
    const memory::desc line = plain({row.shape().back()});
    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
    const dnnl::layer_normalization_forward::primitive_desc made(
        {dnnl::prop_kind::forward_inference, desc, 1e-5f, flags}, attributes_, engine_);
    how_ = made.impl_info_str();
    const memory x = input(desc), w = input(line), b = input(line);
    step(dnnl::layer_normalization_forward(made),
         {{DNNL_ARG_SRC, x}, {DNNL_ARG_SCALE, w}, {DNNL_ARG_SHIFT, b}, {DNNL_ARG_DST, result(desc)}});
    return true;
  }
  bool reduction(const OperationRow& row) {
    Dims dims = row.shape();
    if (row.operation == Operation::sum)
      dims[row.axis] = 1;
    else
      dims.assign(dims.size(), 1);
    const memory::desc from = plain(row.shape()), to = plain(dims);
    const dnnl::reduction::primitive_desc made({dnnl::algorithm::reduction_sum, from, to, 0, 0}, attributes_, engine_);
    how_ = made.impl_info_str();
    const memory x = input(from);
    step(dnnl::reduction(made), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, result(to)}});
    return true;
  }
  bool concat(const OperationRow& row) {
    const memory::desc a = plain(row.inputs[0].dims), b = plain(row.inputs[1].dims), y = plain(row.output.dims);
    const dnnl::concat::primitive_desc made(y, int(row.axis), {a, b}, engine_, attributes_);
    how_ = made.impl_info_str();
    const memory first = input(a), second = input(b);
    step(dnnl::concat(made),
         {{DNNL_ARG_MULTIPLE_SRC, first}, {DNNL_ARG_MULTIPLE_SRC + 1, second}, {DNNL_ARG_DST, result(y)}});
    return true;
  }
  bool matmul(const OperationRow& row) {
    const bool batched = row.inputs[1].dims.size() > 2;
    const memory::desc a = plain(folded(row.inputs[0].dims, batched)), b = plain(folded(row.inputs[1].dims, batched)),
                       y = plain(folded(row.output.dims, batched));
    if (row.operation == Operation::linear) {
      const memory::desc bias = plain({1, row.output.dims.back()});
      const dnnl::matmul::primitive_desc made({a, b, bias, y}, attributes_, engine_);
      how_ = made.impl_info_str();
      const memory x = input(a), w = input(b), add = input(bias);
      step(dnnl::matmul(made),
           {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, add}, {DNNL_ARG_DST, result(y)}});
      return true;
    }
    const dnnl::matmul::primitive_desc made({a, b, y}, attributes_, engine_);
    how_ = made.impl_info_str();
    const memory x = input(a), w = input(b);
    step(dnnl::matmul(made), {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, result(y)}});
    return true;
  }
  /// Ours lie [N, .., C] and [O, .., C]; the weights are reordered at each call where it wants them otherwise.
  bool convolution(const OperationRow& row) {
    const bool flat = row.operation == Operation::conv1d;
    const auto channels_first = [](Dims dims) {
      dims.insert(dims.begin() + 1, dims.back());
      dims.pop_back();
      return dims;
    };
    const auto type = memory::data_type::f32;
    const auto x_tag = flat ? memory::format_tag::nwc : memory::format_tag::nhwc;
    const auto w_tag = flat ? memory::format_tag::owi : memory::format_tag::ohwi;
    const memory::desc x(channels_first(row.inputs[0].dims), type, x_tag),
        y(channels_first(row.output.dims), type, x_tag), w(channels_first(row.inputs[1].dims), type, w_tag),
        any(channels_first(row.inputs[1].dims), type, memory::format_tag::any);
    const memory::dims ones(flat ? 1 : 2, 1), zeros(flat ? 1 : 2, 0);
    const dnnl::convolution_forward::primitive_desc made(
        {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, x, any, y, ones, zeros, zeros},
        attributes_, engine_);
    how_ = made.impl_info_str();
    const memory from = input(x), weights = input(w);
    memory wanted = weights;
    if (made.weights_desc() != w) {
      wanted = memory(made.weights_desc(), engine_);
      step(dnnl::reorder(weights, wanted), {{DNNL_ARG_FROM, weights}, {DNNL_ARG_TO, wanted}});
      how_ += ", weights reordered at each call";
    }
    step(dnnl::convolution_forward(made),
         {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, wanted}, {DNNL_ARG_DST, result(y)}});
    return true;
  }
  /// Two products and a softmax between.
  bool attention(const OperationRow& row) {
    const Dims& d = row.shape();
    const int64_t heads = d[0] * d[1], length = d[2], width = d[3];
    const memory::desc values = plain({heads, length, width}), scores = plain({heads, length, length});
    const memory::desc keys({heads, width, length}, memory::data_type::f32, memory::dims{length * width, 1, width});
    dnnl::primitive_attr scaled = attributes_;
    scaled.set_output_scales(0, {1 / std::sqrt(float(width))});
    const dnnl::matmul::primitive_desc first({values, keys, scores}, scaled, engine_);
    const dnnl::softmax_forward::primitive_desc soft({dnnl::prop_kind::forward_inference, scores, 2}, attributes_,
                                                     engine_);
    const dnnl::matmul::primitive_desc last({scores, values, values}, attributes_, engine_);
    how_ = std::string("matmul, softmax, matmul: ") + first.impl_info_str();
    const memory q = input(values), k = input(keys), v = input(values), p(scores, engine_);
    step(dnnl::matmul(first), {{DNNL_ARG_SRC, q}, {DNNL_ARG_WEIGHTS, k}, {DNNL_ARG_DST, p}});
    step(dnnl::softmax_forward(soft), {{DNNL_ARG_SRC, p}, {DNNL_ARG_DST, p}});
    step(dnnl::matmul(last), {{DNNL_ARG_SRC, p}, {DNNL_ARG_WEIGHTS, v}, {DNNL_ARG_DST, result(values)}});
    return true;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::primitive_attr attributes_;
  std::vector<memory> inputs_;
  memory output_;
  std::vector<std::pair<dnnl::primitive, Args>> steps_;
  std::string how_;
  bool is_known_ = false;
};

class OneDnn final : public Framework {
 public:
  explicit OneDnn(const ThreadTeam& team) : threads_(team.count), engine_(dnnl::engine::kind::cpu, 0) {}
  void wake() override {
    int awake = 0;
#pragma omp parallel reduction(+ : awake)
    awake += 1;
    if (awake == 0) threads_ = 0;
  }
  std::string version() override {
    const dnnl_version_t* v = dnnl::version();
    const bool own_threads = v->cpu_runtime == DNNL_RUNTIME_OMP;
    return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch) +
           ", " + std::to_string(threads_) + " threads of " + (own_threads ? "OpenMP" : "its own runtime");
  }
  std::unique_ptr<PreparedOperation> prepare(const OperationRow& row, std::string& why_not) override {
    try {
      auto made = std::make_unique<Primitives>(row, engine_);
      if (made->is_known()) return made;
      why_not = "oneDNN has no primitive for it";
    } catch (const dnnl::error& e) {
      if (e.status != dnnl_unimplemented && e.status != dnnl_invalid_arguments) throw;
      why_not = std::string("oneDNN: ") + e.what();
    }
    return nullptr;
  }

 private:
  int threads_;
  dnnl::engine engine_;
};

}  // namespace
}  // namespace assay

ASSAY_FRAMEWORK(assay::OneDnn)
