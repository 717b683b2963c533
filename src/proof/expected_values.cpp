// What D of a launch must be, and how far off it may be: the validator's bound, written out.
#include "proof/expected_values.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/matmul.h"
#include "proof/reference.h"
#include "proof/rounding_model.h"
#include "proof/weight_rows.h"
#include "spec/op.h"

namespace assay {
namespace {

constexpr double kSumDeviations = 5, kActivationDeviations = 7;  // as in validator.cpp; a test holds them together

BoundedOutputs of_product(const SpecInputs& inputs, Accuracy accuracy) {
  const Reference reference(inputs, {accuracy});
  const CopyReference& copy = *reference.find(0);
  const Matmul& spec = matmul_of(inputs.spec());
  const double u_out = unit_roundoff(spec.d), tiny = least_subnormal(spec.d) / 2, scale = spec.alpha;
  const double accumulate = std::sqrt(double(spec.k) + kEpilogueRoundings) * kF32Roundoff;
  const double squared = kF32Roundoff * kF32Roundoff;
  const double sum_units = squared * summation_variance(spec.k, spec.a != Dtype::f32),
               epilogue_units = squared * kEpilogueRoundings;
  const Variation::Signs plus = Variation::factors(0);
  std::vector<BoundedValue> all;
  for (const Tensor& b : inputs.b(0)) {
    const int64_t n = b.dims[1];
    for (int64_t local = 0; local < spec.batch * spec.m * n; ++local) {
      const size_t element = all.size();
      const double product = scale * reference.product(copy, int64_t(element), plus);
      const double from_c = spec.beta != 0 ? spec.beta * inputs.c[b.segment].values[size_t(local)] : 0;
      const double from_bias = spec.bias ? inputs.bias[b.segment].values[size_t(local % n)] : 0;
      const double value = product + from_c + from_bias;
      double fixed = u_out * std::fabs(value) + tiny;
      if (accuracy != Accuracy::exact)
        fixed += kActivationDeviations * std::fabs(scale) * copy.deviation[size_t(accuracy)][element];
      const double variance = sum_units * scale * scale * copy.squares[element] +
                              epilogue_units * (product * product + from_c * from_c + from_bias * from_bias);
      const double magnitude = std::fabs(scale) * copy.magnitude[element] + std::fabs(from_c) + std::fabs(from_bias);
      all.push_back(
          {value, fixed + kToleranceC * std::min(accumulate * magnitude, kSumDeviations * std::sqrt(variance))});
    }
  }
  return {all, {{0, std::ssize(all)}}};
}

double roundoff_of(Accuracy accuracy) {
  return accuracy == Accuracy::f16_activation    ? unit_roundoff(Dtype::f16)
         : accuracy == Accuracy::bf16_activation ? unit_roundoff(Dtype::bf16)
                                                 : 0;
}

BoundedOutputs of_other(const SpecInputs& inputs, Accuracy accuracy) {
  const Spec& spec = inputs.spec();
  std::vector<Tensor> tensors = spec.tensors, outputs;
  size_t weight = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Tensor& t = tensors[i];
    if (t.use == Use::output) outputs.push_back(t);
    if (t.use == Use::weight) t = inputs.b(0)[weight++];
    // Nobody writes through these.
    if (t.use == Use::varied) t.data = const_cast<std::byte*>(inputs.varied.at(i).bytes.data());
    if (t.use == Use::constant) t.data = const_cast<std::byte*>(inputs.constants.at(i).bytes.data());
  }
  std::vector<ExpectedOutput> expected(outputs.size());
  spec.op->expected(spec, {tensors, decode_row, b_element, roundoff_of(accuracy), accuracy}, expected);
  BoundedOutputs all;
  int64_t before = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    for (const ExpectedValue& e : expected[i].values)
      all.values.push_back({e.value, e.fixed + least_subnormal(outputs[i].dtype) + kToleranceC * e.free});
    if (!outputs[i].is_sparse) expected[i].written = {{0, outputs[i].values()}};
    for (const auto& [first, end] : expected[i].written) all.written.emplace_back(before + first, before + end);
    before += outputs[i].values();
  }
  return all;
}

}  // namespace

BoundedOutputs bounded_values(const SpecInputs& inputs, Accuracy accuracy) {
  return inputs.spec().op->is_product ? of_product(inputs, accuracy) : of_other(inputs, accuracy);
}

}  // namespace assay
